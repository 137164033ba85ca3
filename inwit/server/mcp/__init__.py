"""MCP over the official SDK: tools, resources, prompts and change notices of one host."""

from __future__ import annotations

from inwit.server.mcp.protocol import Protocol, create_server

__all__ = ["Protocol", "create_server"]
