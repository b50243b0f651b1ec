"""A policy file in the hands of somebody who edits it: whole or not at all, and the old one until then."""

import logging
import os
from pathlib import Path

import pytest

from allowly_middleware.pipeline import ANONYMOUS
from allowly_middleware.policy import PolicyFile, PolicyFileError, read_policy_file
from allowly_middleware.policy.documents import MAX_POLICY_BYTES

ALLOWED = '[tools]\n"mail.send" = "allow"\n'
DENIED = '[tools]\n"mail.send" = "deny"\n'


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(ALLOWED)
    path.chmod(0o600)
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def policies(path: Path, clock: Clock) -> PolicyFile:
    return PolicyFile(path, clock=clock)


def allowed_after(policies: PolicyFile, clock: Clock, looks: int = 3) -> bool:
    """Let time go by, and tell whether the tool is allowed then."""
    for _ in range(looks):
        clock.now += 1
        policies.can("mail", "send", subject=ANONYMOUS)
    return bool(policies.can("mail", "send", subject=ANONYMOUS))


def test_a_changed_file_comes_into_force_by_itself(policies: PolicyFile, path: Path, clock: Clock) -> None:
    before = policies.digest

    path.write_text(DENIED)

    assert not allowed_after(policies, clock)
    assert policies.problem is None
    assert policies.digest != before


def test_a_file_that_was_replaced_comes_into_force(policies: PolicyFile, path: Path, clock: Clock) -> None:
    other = path.with_suffix(".new")
    other.write_text(DENIED)
    other.replace(path)

    assert not allowed_after(policies, clock)


def test_a_file_that_is_still_being_written_does_not_come_into_force(
    policies: PolicyFile, path: Path, clock: Clock
) -> None:
    """Half of a file may be a whole policy, and a milder one: every look sees it longer than before."""
    path.write_text(DENIED)
    for more in range(5):
        assert allowed_after(policies, clock, looks=1)
        with path.open("a") as file:
            file.write(f'"mail.other{more}" = "deny"\n')

    assert not allowed_after(policies, clock)


def test_between_two_looks_the_file_is_left_alone(policies: PolicyFile, path: Path, clock: Clock) -> None:
    path.unlink()

    clock.now += 0.9

    assert policies.can("mail", "send", subject=ANONYMOUS)
    assert policies.problem is None


BREAKAGES = {
    "half of a line": (lambda path: path.write_text('[tools]\n"mail.send" = "den'), "is not TOML"),
    "no effect": (lambda path: path.write_text('[tools]\n"mail.send" = "never"'), "is no effect"),
    "no text": (lambda path: path.write_bytes(b"\xff"), "not text in UTF-8"),
    "too large": (lambda path: path.write_bytes(b"#" * (MAX_POLICY_BYTES + 1)), "larger than"),
    "open to all": (lambda path: path.chmod(0o646), "written by everybody"),
    "gone": (lambda path: path.unlink(), "cannot be read"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is no regular file"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "is no regular file"),
    "a link": (lambda path: path.rename(path.with_name("old")).with_name("policy.toml").symlink_to("old"), "symbolic"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_file_leaves_the_old_policy_in_force_and_says_so_once(
    policies: PolicyFile, clock: Clock, breakage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = policies.digest
    break_it, problem = BREAKAGES[breakage]

    with caplog.at_level(logging.INFO):
        break_it(policies.path)
        assert allowed_after(policies, clock, looks=6)

    assert policies.digest == before
    assert problem in str(policies.problem)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the policy of before stays in force" in caplog.text


def test_a_file_that_is_mended_comes_into_force(policies: PolicyFile, path: Path, clock: Clock) -> None:
    path.write_text("broken")
    assert allowed_after(policies, clock)
    assert policies.problem is not None

    path.write_text(DENIED)

    assert not allowed_after(policies, clock)
    assert policies.problem is None


def test_a_file_that_comes_back_is_looked_at(policies: PolicyFile, path: Path, clock: Clock) -> None:
    path.unlink()
    assert allowed_after(policies, clock)

    path.write_text(DENIED)

    assert not allowed_after(policies, clock)


def test_a_file_that_says_the_same_again_is_no_news(
    policies: PolicyFile, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = policies.policies

    with caplog.at_level(logging.INFO):
        path.write_text(ALLOWED)
        assert allowed_after(policies, clock)

    assert policies.policies is before
    assert caplog.records == []


def test_a_file_is_read_at_once_when_that_is_wanted(policies: PolicyFile, path: Path) -> None:
    path.write_text(DENIED)
    assert policies.reload()
    assert not policies.can("mail", "send", subject=ANONYMOUS)

    path.write_text("broken")
    assert not policies.reload()
    assert not policies.can("mail", "send", subject=ANONYMOUS)


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_without_a_usable_file_there_is_no_policy(path: Path, breakage: str) -> None:
    break_it, problem = BREAKAGES[breakage]
    break_it(path)

    with pytest.raises(PolicyFileError, match=problem):
        PolicyFile(path)


def test_a_folder_in_which_everybody_can_replace_the_file_is_refused(path: Path) -> None:
    path.parent.chmod(0o777)

    with pytest.raises(PolicyFileError, match="a folder that everybody may write to"):
        PolicyFile(path)


def test_a_folder_in_which_nobody_can_take_what_is_anothers_is_fine(path: Path) -> None:
    path.parent.chmod(0o1777)

    assert read_policy_file(path) == ALLOWED.encode()


def test_a_file_that_somebody_else_has_put_into_a_shared_folder_is_refused(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file was taken away for a moment, the next one to write there is anybody."""
    path.parent.chmod(0o1777)
    policies = PolicyFile(path, clock=clock)
    path.unlink()
    path.write_text(DENIED)
    if os.geteuid() == 0:
        os.chown(path, 54_321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54_321)

    assert allowed_after(policies, clock)
    with pytest.raises(PolicyFileError, match="another user's"):
        PolicyFile(path)


def test_a_relative_file_is_still_found_from_another_folder(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    policies = PolicyFile("policy.toml", clock=clock)
    monkeypatch.chdir("/")

    path.write_text(DENIED)

    assert not allowed_after(policies, clock)


def test_a_name_that_no_file_has_is_told() -> None:
    with pytest.raises(PolicyFileError, match="no name of a file"):
        read_policy_file("a\0b")


def test_a_file_that_changes_while_it_is_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer gets in between the two looks at the file, as another process would."""
    looked = os.fstat
    looks = []

    def fstat(descriptor: int) -> os.stat_result:
        looks.append(descriptor)
        if len(looks) == 2:
            path.write_text(DENIED)
        return looked(descriptor)

    monkeypatch.setattr("allowly_middleware.policy.files.os.fstat", fstat)

    with pytest.raises(PolicyFileError, match="was changed while it was read"):
        read_policy_file(path)
