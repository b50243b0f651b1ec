"""A standing authority: what `authority serve` runs until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from allowly_authority.addresses import is_this_computer, socket_url
from allowly_authority.app import create_app
from allowly_authority.collecting import collecting_rarely
from allowly_authority.logs import LogFormat, LogLevel, logging_to
from allowly_authority.receipts import open_receipt_keys, receipt_key_path, refuse_lost_keys
from allowly_authority.service.authority import Authority
from allowly_authority.service.health import Health
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.timed import TimedDatabase
from allowly_authority.web import metrics
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.listening import HttpServer, Listener, bind, url_of
from allowly_authority.web.page.guard import PREFIX
from allowly_authority.web.public_url import Published, parse_public_url
from allowly_authority.web.tls import ServerTls, TlsFiles, TlsProblem, public_host
from allowly_authority.web.unix_socket import unix_listener
from allowly_authority.workspace import default_database, open_workspace

DEFAULT_PORT: Final = 8787

_logger = logging.getLogger(__name__)


def serve(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    db: Path | DatabaseUrl | None = None,
    *,
    key: str | None = None,
    receipt_keys: Path | None = None,
    new_receipt_keys: bool = False,
    public_url: str | None = None,
    allow_non_loopback: bool = False,
    tls: TlsFiles | None = None,
    uds: Path | None = None,
    metrics_open: bool = False,
    inbox_page: bool | None = None,
    log_format: LogFormat | None = None,
    log_level: LogLevel = "info",
    on_ready: Callable[[dict[str, str | None]], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way end first. To be called on the main thread.

    Args:
        host: Where to listen.
        port: 0 takes any free one.
        db: The database: a file, by default in the user's data folder, or that of a PostgreSQL server.
        key: The workspace key; otherwise from `ALLOWLY_KEY`, else kept beside the database.
        receipt_keys: The file of the keys that sign receipts; otherwise from `ALLOWLY_RECEIPT_KEYS`, else beside the
            database. Where neither is there, receipts stay pending.
        new_receipt_keys: Make new ones where they are gone, although receipts that they may have signed are on record.
        public_url: How clients reach this authority through a proxy: its host may stand in `Host`, and replies name
            it in their links.
        allow_non_loopback: Listen on a network although there is no TLS: keys and nonces can be read
            on the way, unless something in front of it encrypts.
        tls: A certificate and its key. They are read again on SIGHUP.
        uds: A Unix socket to listen at as well, without TLS.
        metrics_open: Answer `/metrics` without a key.
        inbox_page: Serve the inbox as a web page, under `/inbox`; by default where nobody can read it on the way.
        log_format: Write a line for each request and event to stderr; `None` leaves `logging` as it is.
        log_level: The lowest level that is written.
        on_ready: Called once with `base_url`, `db` and `key_file` (`None` where the key was given), and
            `socket_url` where there is a Unix socket, `inbox_url` where there is the page, `public_url` where it
            was given.

    Raises:
        ValueError: `host` is not a loopback address, there is no TLS and `allow_non_loopback` is not set; or
            the key, the certificate or the path of the socket is unusable.
        StoreError: The database, its key file or the receipt keys cannot be used.
        OSError: The address is taken.
    """
    certificate = None if tls is None else ServerTls(tls)
    public = None if public_url is None else parse_public_url(public_url, allow_insecure=allow_non_loopback)
    _refuse_unencrypted(host, certificate, meant=allow_non_loopback)
    location = db if isinstance(db, DatabaseUrl) else (db or default_database()).absolute()
    with ExitStack() as stack:
        watchers = [] if log_format is None else [stack.enter_context(logging_to(log_format, log_level)).exchange]
        workspace = open_workspace(location, key)
        stack.callback(workspace.database.close)
        if not new_receipt_keys:
            asyncio.run(refuse_lost_keys(workspace.database, receipt_key_path(location, receipt_keys)))
        signing = open_receipt_keys(location, receipt_keys, time.time)
        listeners, where = _listening(stack, host, port, certificate, uds)
        links = where["base_url"] if public is None else public.url
        told = where | {"db": str(location), "key_file": str(workspace.key_file) if workspace.key_file else None}
        if with_page := inbox_page if inbox_page is not None else certificate is not None or is_this_computer(host):
            told["inbox_url"] = f"{links}{PREFIX}"
        if public is not None:
            told["public_url"] = public.url
        counted = metrics.Metrics()
        database = TimedDatabase(workspace.database, counted.observe_database)
        named = () if public is None else (public.host,)
        hosts = OwnHosts(host, (*(certificate.names if certificate else ()), *named))
        authority = Authority(database, workspace_key=workspace.key, base_url=links, receipt_keys=signing)
        app = create_app(
            authority,
            watched=(health := Health(database)),
            api_key=workspace.key,
            hosts=hosts,
            further=metrics.endpoints(health, counted, needs_key=not metrics_open),
            watchers=[counted.observe, *watchers],
            inbox_page=with_page,
        )
        server = HttpServer(
            app if public is None else Published(app, public),
            listeners,
            on_ready=lambda: on_ready(told),
            on_refused=counted.observe_refused,
            on_hangup=_renewal(certificate, hosts, counted, named),
            on_stop=authority.stop_streams,
        )
        counted.watch_connections(lambda: server.connections)
        stack.enter_context(collecting_rarely())
        server.run()


def _refuse_unencrypted(host: str, certificate: ServerTls | None, *, meant: bool) -> None:
    if certificate is None and not meant and not is_this_computer(host):
        raise ValueError(
            f"{host} can be reached from other computers, and there is no TLS: keys and approvals could be read on "
            "the way. Name a certificate, listen on 127.0.0.1, or say explicitly that this is meant."
        )


def _listening(
    stack: ExitStack, host: str, port: int, certificate: ServerTls | None, uds: Path | None
) -> tuple[list[Listener], dict[str, str]]:
    """Bind everything, and return it with the URLs under which it is reached."""
    bound = stack.enter_context(bind(host, port))
    if certificate is None:
        listeners, base_url = [Listener(bound)], url_of(bound)
    else:
        listeners = [Listener(bound, certificate.context)]
        base_url = url_of(bound, scheme="https", host=public_host(host, certificate.names))
    if uds is None:
        return listeners, {"base_url": base_url}
    path = uds.absolute()
    listeners.append(Listener(stack.enter_context(unix_listener(path))))
    return listeners, {"base_url": base_url, "socket_url": socket_url(str(path))}


def _renewal(
    certificate: ServerTls | None, hosts: OwnHosts, counted: metrics.Metrics, named: Sequence[str]
) -> Callable[[], None] | None:
    """Return what reads the certificate again; `None` where there is none, so that SIGHUP ends the process."""
    if certificate is None:
        return None
    counted.certify(certificate.not_after.timestamp())

    def renew() -> None:
        try:
            certificate.load_again()
        except TlsProblem as problem:
            _logger.warning("The certificate in use stays: %s", problem)
            return
        hosts.certify([*certificate.names, *named])
        counted.certify(certificate.not_after.timestamp())
        _logger.info("The certificate was read again; it expires on %s", f"{certificate.not_after:%Y-%m-%d}")

    return renew
