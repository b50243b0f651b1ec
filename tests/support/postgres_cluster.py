"""A PostgreSQL server of the tests' own: started from nothing, on a Unix socket, gone without a trace."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

START_SECONDS = 30.0
USER = "allowly"
PASSWORD = "canary/pass word?&#@:0123456789"
"""Of the user `guarded`, who is asked for one; with every character that means something in a URL."""


class NoPostgres(Exception):
    """PostgreSQL is not installed."""


def programs() -> Path:
    """Return the folder with `initdb` and `postgres`; Debian keeps them off the path."""
    found = shutil.which("postgres")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*folders, *([Path(found).resolve().parent] if found else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("these tests need PostgreSQL 13 or newer: apt-get install postgresql")


class Cluster:
    """A running server. PostgreSQL refuses to run as root, so root runs it as the user `postgres`."""

    def __init__(self) -> None:
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="allowly-pg-", dir="/tmp"))
        self._as = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._numbers = itertools.count(1)
        options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", str(self.folder / "data"), *options)
        hba = self.folder / "data" / "pg_hba.conf"
        hba.write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        self.start()
        with self.connect() as link:
            link.execute(sql.SQL("CREATE ROLE guarded SUPERUSER LOGIN PASSWORD {}").format(PASSWORD))

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._as)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def start(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "port": "5432",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "100",
            "shared_buffers": "16MB",
            "autovacuum": "off",
            "restart_after_crash": "on",
        }
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as,
            )
        self.wait()

    def wait(self) -> None:
        """Wait until connections are taken."""
        limit = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.url(name), autocommit=True)

    def url(self, name: str, *, user: str = USER, password: str | None = None) -> str:
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{user}{secret}@/{name}?host={quote(str(self.folder), safe='')}"

    def create(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as link:
            link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop(self, name: str) -> None:
        with self.connect() as link:
            link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(START_SECONDS)

    def remove(self) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
