"""`authority serve`: answers requests until it is told to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from allowly_harness.cli.authority.database import database_named
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_authority.web.tls import TlsFiles


@click.command(short_help="Serve the API until interrupted.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 takes any free one.")
@click.option(
    "--db",
    type=click.Path(dir_okay=False),
    help="The database file.  [default: in the user's data folder]",
)
@click.option(
    "--database",
    metavar="URL",
    help="A database on a PostgreSQL server, instead of a file: postgresql://USER@HOST:PORT/NAME. "
    "[default: ALLOWLY_DATABASE]",
)
@click.option(
    "--uds", type=click.Path(dir_okay=False), metavar="PATH", help="A Unix socket to listen at as well, for you alone."
)
@click.option(
    "--tls-cert",
    envvar="ALLOWLY_TLS_CERT",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Encrypt, with this certificate and its chain in PEM form.  [default: ALLOWLY_TLS_CERT]",
)
@click.option(
    "--tls-key",
    envvar="ALLOWLY_TLS_KEY",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The certificate's private key in PEM form, mode 0600.  [default: ALLOWLY_TLS_KEY]",
)
@click.option(
    "--allow-network",
    is_flag=True,
    help="Listen on an address that other machines can reach, although there is no TLS.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="How clients reach it through a proxy: https://HOST[:PORT]. Its host may stand in Host, replies link to it.",
)
@click.option(
    "--new-receipt-keys",
    is_flag=True,
    help="Make new receipt keys where the old ones are gone: receipts until now are then never signed.",
)
@click.option("--metrics-open", is_flag=True, help="Answer /metrics without a key.")
@click.option("--no-inbox-page", is_flag=True, help="Serve no web page for approvers at /inbox.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json", "none"]),
    default="text",
    show_default=True,
    help="How a line for each request and event looks on standard error.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is written; warning leaves out requests that went well.",
)
def serve(
    host: str,
    port: int,
    db: str | None,
    database: str | None,
    uds: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    allow_network: bool,
    public_url: str | None,
    new_receipt_keys: bool,
    metrics_open: bool,
    no_inbox_page: bool,
    log_format: str,
    log_level: str,
) -> int:
    """Serve until interrupted.

    The workspace key comes from ALLOWLY_KEY; otherwise it is made once and kept beside the database,
    readable for you alone. When ready, one line of JSON goes to standard output:

    \b
    {"base_url": "http://127.0.0.1:8787", "db": "...", "key_file": "..."}

    With --uds it also names the URL of the socket, socket_url, and where approvers have a web page, its
    address, inbox_url: not on a network without TLS. The certificate is read again on SIGHUP.

    Authorities that share a database on a server need the same key, so it must be given. A password is not
    read from the command line, where others could see it, but from ALLOWLY_DATABASE, PGPASSWORD or ~/.pgpass.
    """
    from pathlib import Path

    from allowly_authority import serve as run
    from allowly_authority.store.schema import StoreError

    def ready(where: dict[str, str | None]) -> None:
        click.echo(json.dumps(where))
        say(f"The authority listens on {where['base_url']}. Stop it with Ctrl-C.")
        if where.get("inbox_url"):
            say(f"Approvers without a terminal decide at {where['inbox_url']}")

    try:
        run(
            host,
            port,
            database_named(db, database),
            allow_non_loopback=allow_network,
            public_url=public_url,
            new_receipt_keys=new_receipt_keys,
            tls=_tls(tls_cert, tls_key),
            uds=Path(uds) if uds else None,
            metrics_open=metrics_open,
            inbox_page=False if no_inbox_page else None,
            log_format=None if log_format == "none" else log_format,  # type: ignore[arg-type]
            log_level=log_level,  # type: ignore[arg-type]
            on_ready=ready,
        )
    except (ValueError, StoreError) as error:
        return fail(f"{error} (--tls-cert, --allow-network)" if "no TLS" in str(error) else str(error), ExitCode.USAGE)
    except OSError as error:
        return fail(f"cannot listen on {host}:{port}: {error.strerror or error}; try another --port", ExitCode.USAGE)
    return int(ExitCode.DONE)


def _tls(certificate: str | None, key: str | None) -> TlsFiles | None:
    from pathlib import Path

    from allowly_authority.web.tls import TlsFiles

    if not certificate and not key:
        return None
    if not certificate or not key:
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return TlsFiles(Path(certificate), Path(key))
