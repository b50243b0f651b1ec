"""Who can reach an agent: folder, file and the user at the other end."""

import os
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from allowly_harness import locations
from allowly_harness.approvers.attached import sockets
from allowly_harness.approvers.attached.sockets import (
    NobodyThere,
    SocketProblem,
    SocketTaken,
    check_folder,
    check_peer,
    connect,
    listen,
    remove_stale,
)

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_socket_is_for_its_user_alone_and_so_is_a_folder_that_is_made_for_it(folder):
    path = folder / "made" / "agent.sock"

    with listen(path), connect(path):
        assert mode_of(path) == 0o600
        assert mode_of(path.parent) == 0o700


def test_a_strange_umask_opens_nothing(folder):
    before = os.umask(0)
    try:
        with listen(folder / "new" / "agent.sock"):
            assert mode_of(folder / "new" / "agent.sock") == 0o600
            assert mode_of(folder / "new") == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o701, 0o755])
def test_a_folder_that_others_may_use_is_refused_with_the_way_out(folder, mode):
    folder.chmod(mode)

    with pytest.raises(SocketProblem, match="chmod 700"):
        listen(folder / "agent.sock")
    with pytest.raises(SocketProblem, match="chmod 700"):
        check_folder(folder)


def test_a_link_in_the_place_of_the_folder_is_refused(folder):
    (folder / "real").mkdir(mode=0o700)
    (folder / "link").symlink_to("real")

    with pytest.raises(SocketProblem, match="is no folder, or a link to one"):
        listen(folder / "link" / "agent.sock")
    with pytest.raises(SocketProblem, match="is no folder, or a link to one"):
        check_folder(folder / "link")


@as_root
def test_a_folder_of_another_user_is_refused(folder):
    theirs = folder / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, NOBODY, NOBODY)

    with pytest.raises(SocketProblem, match="belongs to another user"):
        listen(theirs / "agent.sock")
    with pytest.raises(SocketProblem, match="belongs to another user"):
        check_folder(theirs)


def test_what_an_agent_left_behind_is_replaced(folder):
    path = folder / "agent.sock"
    listen(path).close()
    assert path.exists()

    with listen(path), connect(path):
        pass


def test_a_socket_on_which_somebody_listens_is_never_taken(folder):
    path = folder / "agent.sock"
    with listen(path) as there:
        before = path.lstat().st_ino
        with pytest.raises(SocketTaken):
            listen(path)

        assert path.lstat().st_ino == before
        with connect(path):
            assert there.accept()[0].close() is None


def test_a_listener_that_takes_nobody_at_the_moment_is_not_taken_for_one_that_has_gone(folder):
    path = folder / "agent.sock"
    with listen(path):
        waiting = [connect(path) for _ in range(sockets.BACKLOG + 1)]

        with pytest.raises(SocketProblem, match="no agent listens"):
            connect(path)
        with pytest.raises(SocketTaken):
            listen(path)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(folder, kind):
    path = folder / "agent.sock"
    match kind:
        case "file":
            path.write_text("mine")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to("elsewhere")

    with pytest.raises(SocketProblem, match="is no socket"):
        listen(path)
    assert path.is_symlink() or path.exists()


def test_of_many_that_begin_at_once_one_listens(folder):
    path = folder / "agent.sock"
    listen(path).close()
    listening: list[socket.socket] = []
    refused: list[Exception] = []

    def begin() -> None:
        try:
            listening.append(listen(path))
        except SocketTaken as error:
            refused.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(listening), len(refused)) == (1, 7)
    with listening[0], connect(path):
        pass


def test_a_folder_that_stays_locked_is_an_error_and_not_a_wait_for_ever(folder, monkeypatch):
    monkeypatch.setattr(sockets, "LOCK_SECONDS", 0.05)
    with sockets._locked(folder), pytest.raises(SocketProblem, match="keeps the folder"):
        listen(folder / "agent.sock")


def test_a_file_is_removed_only_when_nobody_listens_there(folder):
    path = folder / "agent.sock"
    listening = listen(path)

    remove_stale(path)
    assert path.exists()
    listening.close()
    remove_stale(path)
    assert not path.exists()


def test_a_path_that_is_too_long_for_a_socket_is_an_error_that_says_so(folder):
    path = folder / ("a" * 120)

    for use in (listen, connect):
        with pytest.raises(SocketProblem, match="may have 103 bytes, and this one has"):
            use(path)


def test_where_nobody_listens_nobody_is_found(folder):
    with pytest.raises(NobodyThere):
        connect(folder / "agent.sock")
    listen(folder / "agent.sock").close()
    with pytest.raises(NobodyThere):
        connect(folder / "agent.sock")


def test_the_peer_is_who_the_kernel_says(folder):
    path = folder / "agent.sock"
    with listen(path) as there, connect(path):
        connected, _ = there.accept()
        with connected:
            assert check_peer(connected) == sockets.Peer(os.geteuid(), os.getpid())


def test_a_system_that_does_not_say_who_is_there_lets_nobody_in(folder, monkeypatch):
    monkeypatch.setattr(sockets, "_peer_of", lambda _: None)
    with listen(folder / "agent.sock"), pytest.raises(SocketProblem, match="does not say which user"):
        connect(folder / "agent.sock")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may use, as no agent of ours would."""
    with tempfile.TemporaryDirectory(prefix="a-") as made:
        Path(made).chmod(0o777)
        yield Path(made)


def as_nobody(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/usr/bin/env", "python3", "-c", script, str(path)],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )


CONNECTS = (
    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('there'); sys.stdin.read()"
)
LISTENS = (
    "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('there', flush=True); "
    "sys.stdin.read()"
)


@as_root
def test_a_terminal_of_another_user_is_refused_by_the_agent(open_folder):
    path = open_folder / "agent.sock"
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(path))
        path.chmod(0o777)
        there.listen()
        with as_nobody(CONNECTS, path) as other:
            connected, _ = there.accept()
            with connected, pytest.raises(SocketProblem, match=f"another user .number {NOBODY}"):
                check_peer(connected)
            other.communicate()


@as_root
def test_an_agent_of_another_user_is_refused_by_the_terminal(open_folder):
    path = open_folder / "agent.sock"
    with as_nobody(LISTENS, path) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SocketProblem, match=f"another user .number {NOBODY}"):
            connect(path)
        other.communicate()


class TestPlaces:
    """Where agents listen when nobody says where."""

    def test_the_runtime_folder_is_used_where_it_is_the_users_own(self, folder, monkeypatch):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

        assert locations.approval_socket("mail bot/7") == folder / "allowly-harness" / "approve" / "mail-bot-7.sock"
        assert locations.approval_socket("mail", 2).name == "mail-2.sock"

    @pytest.mark.parametrize("runtime", ["", "relative", "/nowhere/at/all"])
    def test_without_it_the_state_folder_is(self, folder, monkeypatch, runtime):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))

        assert locations.approval_sockets() == folder / "allowly-harness" / "approve"

    def test_a_runtime_folder_that_others_may_use_is_not_used(self, folder, monkeypatch):
        folder.chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

        assert not locations.approval_sockets().is_relative_to(folder)

    def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one_the_same_for_all(self, monkeypatch):
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        monkeypatch.setenv("XDG_STATE_HOME", "/home/" + "long/" * 30)
        path = locations.approval_socket("n" * 200, 32)

        assert path.is_relative_to("/tmp")  # noqa: S108 - nothing is put there
        assert len(os.fsencode(path)) <= locations.MAX_SOCKET_PATH_BYTES
        assert locations.approval_sockets() == path.parent

    @pytest.mark.parametrize("name", ["", "..", "...", "///", "\x00", "\u202e"])
    def test_no_name_leads_out_of_the_folder(self, name):
        path = locations.approval_socket(name)

        assert path.parent == locations.approval_sockets()
        assert path.name == "agent.sock"
