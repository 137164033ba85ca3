"""The picture by which clients show the server and what it offers."""

from __future__ import annotations

from base64 import b64encode

from mcp_types import Icon

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#0a7"'
    ' stroke-width="1.5"><circle cx="8" cy="8" r="6.5"/><circle cx="8" cy="8" r="2"/></svg>'
)
ICON = Icon(
    src=f"data:image/svg+xml;base64,{b64encode(_SVG.encode()).decode()}",
    mime_type="image/svg+xml",
    sizes=["any"],
)
"""An eye, drawn here, since a client fetches nothing from a host that may ask for a token."""
