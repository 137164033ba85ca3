"""The host: MCP, HTTP and SSE over the record, in one Starlette application.

Only this room imports mcp, starlette and sse_starlette. `app.create_app` builds the application,
`lifecycle.serve` serves it, `stdio.serve` speaks MCP over standard input and output.
"""
