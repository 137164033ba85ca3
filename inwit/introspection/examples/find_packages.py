"""Find a package: inwit.project().packages finds and lists; `inwit pkg search` finds by meaning.

search packages, find a template, registry, package list, tool pack, prompt library
"""

import inwit

for package in inwit.project().packages.list():
    print(package.id, package.version, package.description)
