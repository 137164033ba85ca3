"""The bundle's server: MCP over standard input and output, for the project that the user chose."""

import sys

from inwit.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["mcp", "serve", *sys.argv[1:]]))
