"""Starting, stopping and where things are kept."""

from __future__ import annotations

import stat
import subprocess
import sys

import anyio
import pytest

from allowly_authority import AuthorityClient, embedded_authority, serve
from allowly_authority.store.schema import StoreError
from allowly_authority.workspace import default_database, key_file_of, open_workspace

pytestmark = pytest.mark.anyio

KEY = "allowly_test_key_0123456789abcdef"


async def test_an_authority_in_memory_answers_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with embedded_authority(db=":memory:") as running:
        async with AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client:
            assert await client.ready()
        assert running.key_file is None

    assert list(tmp_path.iterdir()) == []


async def test_a_new_key_is_kept_beside_the_database_and_used_again(tmp_path):
    db = tmp_path / "new folder" / "a.db"
    async with embedded_authority(db=db) as first:
        pass
    async with embedded_authority(db=db) as second:
        pass

    assert first.api_key == second.api_key
    assert first.key_file == key_file_of(db)
    assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(db.parent.stat().st_mode) == 0o700


async def test_the_key_of_the_environment_is_used_and_not_written_down(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLOWLY_KEY", KEY)

    async with embedded_authority(db=tmp_path / "a.db") as running:
        assert (running.api_key, running.key_file) == (KEY, None)

    assert not key_file_of(tmp_path / "a.db").exists()


@pytest.mark.parametrize("key", ["short", "with space in it 0123456789", "é" * 20, "line\nbreak0123456789", "x" * 600])
async def test_unusable_keys_are_refused_without_being_shown(tmp_path, key):
    with pytest.raises(ValueError, match="workspace key") as refused:
        open_workspace(tmp_path / "a.db", key)

    assert key not in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
async def test_listening_beyond_this_computer_needs_to_be_said(tmp_path, host):
    with pytest.raises(ValueError, match="computer"):
        async with embedded_authority(db=tmp_path / "a.db", host=host):
            pass
    with pytest.raises(ValueError, match="no TLS"):
        serve(host, 0, tmp_path / "a.db")

    assert not (tmp_path / "a.db").exists()


async def test_a_taken_port_is_an_error_and_the_database_is_closed(tmp_path):
    async with embedded_authority(db=tmp_path / "a.db", key=KEY) as running:
        port = int(running.base_url.rpartition(":")[2])

        with pytest.raises(OSError, match="in use"):
            async with embedded_authority(db=tmp_path / "b.db", key=KEY, port=port):
                pass


async def test_checks_go_on_while_the_loop_of_the_program_is_blocked(tmp_path):
    """A stalled terminal must not stall the checks of another process."""
    async with embedded_authority(db=tmp_path / "a.db", key=KEY) as running:
        script = (
            "import anyio, sys\n"
            "from allowly_authority import AuthorityClient\n"
            "async def main():\n"
            "    async with AuthorityClient(base_url=sys.argv[1], api_key=sys.argv[2]) as client:\n"
            "        print(await client.ready())\n"
            "anyio.run(main)\n"
        )

        finished = subprocess.run(  # noqa: ASYNC221 - blocking this loop is the point
            [sys.executable, "-c", script, running.base_url, KEY],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    assert finished.stdout.strip() == "True"


async def test_leaving_the_block_ends_the_server_though_a_client_is_still_connected(tmp_path):
    with anyio.fail_after(15):
        async with embedded_authority(db=tmp_path / "a.db", key=KEY) as running:
            client = AuthorityClient(base_url=running.base_url, api_key=KEY)
            assert await client.ready()
        assert not await client.ready()
        await client.aclose()


async def test_a_folder_is_no_database(tmp_path):
    with pytest.raises(StoreError):
        open_workspace(tmp_path, KEY)


async def test_the_database_is_in_the_data_folder_of_the_user(tmp_path):
    assert default_database().name == "authority.db"
    assert tmp_path in default_database().parents


async def test_a_server_process_loads_no_screen_and_importing_the_package_costs_nothing():
    script = (
        "import sys, allowly_authority\n"
        "assert not {'httpx', 'pydantic', 'starlette', 'uvicorn', 'anyio'} & set(sys.modules)\n"
        "import allowly_authority.standing, allowly_authority.client\n"
        "assert not {'textual', 'prompt_toolkit', 'rich', 'allowly_harness'} & set(sys.modules), sys.modules\n"
    )

    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)  # noqa: ASYNC221

    assert (finished.returncode, finished.stderr) == (0, "")


def test_names_that_do_not_exist_are_attribute_errors():
    import allowly_authority

    assert "AuthorityClient" in dir(allowly_authority)
    with pytest.raises(AttributeError, match="nothing"):
        _ = allowly_authority.nothing
