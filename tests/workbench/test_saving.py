"""Files that a person saves."""

import pytest

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
