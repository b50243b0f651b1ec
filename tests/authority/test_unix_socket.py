"""A Unix socket beside the port: who can reach it, what was left at its path, and the client over it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import anyio
import pytest
from standing import KEY, PROGRAM, environment, refused, standing

from allowly_authority import AuthorityClient, AuthorityUnavailable
from allowly_authority.addresses import MAX_SOCKET_PATH_BYTES, checked_base_url, socket_path, socket_url
from allowly_authority.web.unix_socket import SocketProblem, unix_listener

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one's own with a short path: a socket's is limited."""
    made = tmp_path_factory.mktemp("s")
    made.chmod(0o700)
    return made


async def test_the_client_reaches_the_socket_and_the_port_of_one_authority(folder):
    path = folder / "authority.sock"
    with standing(folder, "--uds", str(path)) as running:
        mode = stat.S_IMODE(path.stat().st_mode)
        urls = [running.where["socket_url"], running.base_url]
        ready = []
        with anyio.fail_after(20):
            for url in urls:
                async with AuthorityClient(base_url=url, api_key=KEY, check_timeout_seconds=20) as client:
                    reply = await client.check(authorization_id="auth_nobody", scopes=["read"])
                    ready.append((await client.ready(), reply.results["read"].reason))
        running.stop()

    assert ready == [(True, "authorization_not_found")] * 2
    assert urls[0] == f"http+unix://{str(path).replace('/', '%2F')}"
    assert mode == 0o600
    assert not path.exists()


def test_commands_take_the_url_of_a_socket(folder):
    with standing(folder, "--uds", str(folder / "a.sock"), "--log-format", "none") as running:
        command = [PROGRAM, "authority", "grant", "--user", "ada", "--allow", "read"]
        variables = environment(ALLOWLY_BASE_URL=running.where["socket_url"], HOME=str(folder))
        granted = subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=30)

    assert granted.returncode == 0, granted.stderr
    assert json.loads(granted.stdout)["authorization_id"].startswith("auth_")


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("evil.example", 403)])
def test_the_host_is_checked_on_the_socket_as_on_the_port(folder, host, status):
    path = folder / "a.sock"
    with standing(folder, "--uds", str(path)), socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(5)
        connected.connect(str(path))
        connected.sendall(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = connected.recv(65536)

    assert int(answer.split()[1]) == status


async def test_a_socket_that_nobody_listens_on_is_unavailable_and_nothing_was_sent(folder):
    async with AuthorityClient(base_url=socket_url(str(folder / "none.sock")), api_key=KEY) as client:
        with pytest.raises(AuthorityUnavailable) as failed:
            await client.check(authorization_id="auth_1", scopes=["read"])

    assert (failed.value.kind, failed.value.sent) == ("connect", False)


def test_what_a_killed_authority_left_is_replaced_and_a_live_one_is_not(folder):
    path = folder / "a.sock"
    with standing(folder, "--uds", str(path)) as killed:
        killed.stop(signal.SIGKILL)
    left = path.exists()

    with standing(folder, "--uds", str(path)):
        second = refused(folder, "--uds", str(path))
        still = path.exists()

    assert (left, still) == (True, True)
    assert second.returncode == 2
    assert "Somebody listens at" in second.stderr
    assert second.stderr.count("\n") == 1


def test_a_file_in_the_place_of_a_socket_is_left_alone(folder):
    path = folder / "a.sock"
    path.write_text("precious")

    with pytest.raises(SocketProblem, match="is no socket"), unix_listener(path):
        pass

    assert path.read_text() == "precious"


def test_a_link_in_the_place_of_a_socket_is_left_alone(folder):
    path = folder / "a.sock"
    with unix_listener(folder / "real.sock"):
        path.symlink_to(folder / "real.sock")

        with pytest.raises(SocketProblem, match="is no socket"), unix_listener(path):
            pass

    assert path.is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_folder_in_which_others_may_put_sockets_is_refused(folder, mode):
    folder.chmod(mode)

    with pytest.raises(SocketProblem, match="chmod go-w"), unix_listener(folder / "a.sock"):
        pass

    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder to somebody else takes root")
def test_a_folder_of_another_user_is_refused(folder):
    theirs = folder / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)

    with pytest.raises(SocketProblem, match="belongs to another user"), unix_listener(theirs / "a.sock"):
        pass


def test_a_missing_folder_is_made_for_its_user_alone(folder):
    path = folder / "run" / "a.sock"

    with unix_listener(path) as listening:
        made = stat.S_IMODE(path.parent.stat().st_mode)
        named = listening.getsockname()

    assert (made, named) == (0o700, str(path))


def test_the_file_of_somebody_who_came_later_is_not_removed_at_the_end(folder):
    path = folder / "a.sock"

    with unix_listener(path):
        path.unlink()
        path.write_text("somebody else's")

    assert path.read_text() == "somebody else's"


def test_a_path_that_is_too_long_is_refused_before_anything_is_made(folder):
    path = folder / ("x" * MAX_SOCKET_PATH_BYTES)

    with pytest.raises(SocketProblem, match="at most"), unix_listener(path):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "http+unix://",
        "http+unix:///run/a.sock",
        "http+unix://run%2Fa.sock",
        "http+unix://%2Frun%2Fa.sock?x=1",
        "http+unix://user@%2Frun%2Fa.sock",
        "http+unix://%2Frun%2F%0a.sock",
        "http+unix://%2Frun%2F%ff.sock",
        f"http+unix://%2F{'x' * MAX_SOCKET_PATH_BYTES}",
    ],
)
def test_urls_that_name_no_socket_are_refused(url):
    with pytest.raises(ValueError, match=r"base_url|the path of a socket"):
        checked_base_url(url, allow_insecure=True)


@pytest.mark.parametrize("path", ["/run/allowly/authority.sock", "/srv/with space/ä.sock", "/a%2Fb.sock"])
def test_a_path_comes_back_from_its_url_as_it_was(path):
    url = checked_base_url(socket_url(path), allow_insecure=False)

    assert socket_path(url) == path
