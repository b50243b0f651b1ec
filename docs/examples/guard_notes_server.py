"""A server that knows nothing of approvals: it keeps notes in a folder.

python guard_notes_server.py FOLDER
"""

import sys
from pathlib import Path

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "notes")
folder.mkdir(exist_ok=True)
notes = MCPServer("notes")


@notes.tool(annotations=ToolAnnotations(read_only_hint=True))
def read_notes() -> list[str]:
    """Read all notes."""
    return [path.read_text() for path in sorted(folder.glob("*.txt"))]


@notes.tool(annotations=ToolAnnotations(destructive_hint=False))
def add_note(text: str) -> str:
    """Add a note."""
    number = len(list(folder.glob("*.txt"))) + 1
    (folder / f"{number}.txt").write_text(text)
    return f"note {number}"


@notes.tool(annotations=ToolAnnotations(destructive_hint=True))
def delete_notes() -> str:
    """Delete all notes."""
    for path in folder.glob("*.txt"):
        path.unlink()
    return "deleted"


if __name__ == "__main__":
    notes.run("stdio")
