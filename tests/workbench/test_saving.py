"""Files that a person saves."""

import base64
import json

import anyio
import pytest
from mcp_types import CallToolResult, ImageContent, TextContent

from allowly_harness.protocol.models import ServerInfo
from allowly_harness.workbench.calls import CallEntry, CallLog
from allowly_harness.workbench.export import export, file_name
from allowly_harness.workbench.saving import save_private


def test_a_file_is_new_private_and_whole(tmp_path):
    path = save_private(tmp_path / "result.txt", b"text")

    assert path.read_bytes() == b"text"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten_unless_it_is_said(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("before")
    path.chmod(0o644)

    with pytest.raises(FileExistsError):
        save_private(path, b"after")
    assert path.read_text() == "before"
    save_private(path, b"after", overwrite=True)

    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if "result" in one.name] == ["result.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_is_never_written_through(tmp_path, overwrite):
    target = tmp_path / "target"
    target.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(target)

    with pytest.raises(FileExistsError):
        save_private(link, b"text", overwrite=overwrite)

    assert target.read_text() == "kept"


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_private(tmp_path / "missing" / "result.txt", b"text", overwrite=True)


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    from pathlib import Path

    assert save_private(Path("~/kept.txt"), b"1") == tmp_path / "kept.txt"


PIXEL = b"\x89PNG\r\n\x1a\nrest"


async def made(content, **fields) -> CallEntry:
    result = CallToolResult(content=content, **fields)

    class Session:
        server = ServerInfo("mail")

        async def call_tool(self, name, arguments=None, *, progress_callback=None):
            return result

    entry = CallLog().start(Session(), "show/it", {"to": "\u202eada"})
    with anyio.fail_after(20):
        await entry.end.wait()
    return entry


@pytest.mark.anyio
async def test_json_keeps_all_of_a_result_in_pure_ascii():
    entry = await made([TextContent(type="text", text="\x1b]52;c;x\x07\u202e")])

    data = export(entry, ".json")

    assert data.isascii()
    assert b"\x1b" not in data
    assert json.loads(data)["result"]["content"][0]["text"] == "\x1b]52;c;x\x07\u202e"
    assert file_name(entry) == "showit-1.json"


@pytest.mark.anyio
async def test_text_is_kept_as_it_is_shown():
    entry = await made([TextContent(type="text", text="\x1b]52;c;x\x07")])

    assert b"\\x1b]52;c;x\\x07" in export(entry, ".txt")


@pytest.mark.anyio
async def test_a_picture_is_kept_as_it_came():
    data = base64.b64encode(PIXEL).decode()
    entry = await made([ImageContent(type="image", data=data, mime_type="image/png")])
    broken = await made([ImageContent(type="image", data="?", mime_type="image/png")])

    assert export(entry, ".PNG") == PIXEL
    with pytest.raises(ValueError, match="no jpg picture"):
        export(entry, ".jpeg")
    with pytest.raises(ValueError, match="base64"):
        export(broken, ".png")
