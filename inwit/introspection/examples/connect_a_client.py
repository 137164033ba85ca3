"""Connect Claude, Cursor or another MCP client: print the configuration for it.

connect claude, cursor, mcp, vscode, claude desktop, claude code, hook up a client, mcp server, serve
"""

import subprocess
import sys

# The same as `inwit mcp config claude-code` in a terminal; other clients: claude-desktop, cursor, vscode.
shown = subprocess.run(
    [sys.executable, "-m", "inwit", "mcp", "config", "claude-code"],
    capture_output=True,
    text=True,
    check=True,
)
print(shown.stdout)
