"""TLS by certificate files: the published SDK and the client of this project over it, and every unusable pair."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from allowly import Allowly
from certificates import Issued, Issuer, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from standing import KEY, Standing, refused, standing

from allowly_authority import AuthorityClient, AuthorityUnavailable, InvalidRequest
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.tls import ServerTls, TlsFiles, TlsProblem, public_host

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def issued(issuer: Issuer) -> Issued:
    return issuer.issue("localhost", "127.0.0.1")


def options(pair: Issued) -> list[str]:
    return ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]


@pytest.fixture(scope="module")
def secure(issued: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing(tmp_path_factory.mktemp("secure"), *options(issued)) as running:
        yield running


def address(running: Standing) -> tuple[str, int]:
    return "127.0.0.1", int(running.base_url.rpartition(":")[2])


def shown_serial(running: Standing, trusted: Path) -> str:
    """Return the serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(trusted))
    with (
        socket.create_connection(address(running), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        certificate = encrypted.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


async def test_the_client_reaches_it_where_the_certificate_is_trusted(secure, issuer, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer.file))

    with anyio.fail_after(20):
        async with AuthorityClient(base_url=secure.base_url, api_key=KEY, timeout_seconds=20) as client:
            ready = await client.ready()

    assert ready
    assert secure.base_url.startswith("https://127.0.0.1:")


async def test_the_published_sdk_reaches_it_without_a_dangerous_option(secure, issuer, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer.file))
    sdk = Allowly(api_key=KEY, base_url=secure.base_url, check_timeout_ms=10_000)

    with anyio.fail_after(20):
        reply = await sdk.check(authorization_id="auth_nobody", actions=["read"])
    await sdk.aclose()

    assert reply.results["read"].reason == "authorization_not_found"
    assert not reply.results["read"].is_fallback


async def test_a_certificate_that_is_not_trusted_ends_before_anything_is_sent(secure, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    with anyio.fail_after(20):
        async with AuthorityClient(base_url=secure.base_url, api_key=KEY, check_timeout_seconds=10) as client:
            with pytest.raises(AuthorityUnavailable) as failed:
                await client.check(authorization_id="auth_nobody", scopes=["read"])

    assert (failed.value.kind, failed.value.sent) == ("connect", False)


async def test_a_trust_file_without_certificates_is_said_to_be_that(secure, tmp_path, monkeypatch):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))

    async with AuthorityClient(base_url=secure.base_url, api_key=KEY) as client:
        with pytest.raises(InvalidRequest, match="SSL_CERT_FILE"):
            await client.check(authorization_id="auth_nobody", scopes=["read"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_before_1_2_are_not_spoken(secure, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")

    with (
        socket.create_connection(address(secure), timeout=20) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
        context.wrap_socket(plain),
    ):
        pass


def test_plain_http_gets_no_answer_and_does_no_harm(secure, issuer):
    with socket.create_connection(address(secure), timeout=20) as plain:
        plain.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = plain.recv(1024)
        except ConnectionResetError:
            answer = b""

    assert not answer.startswith(b"HTTP/")
    assert shown_serial(secure, issuer.file)


def test_a_renewed_certificate_is_shown_after_a_hangup_and_a_broken_one_is_not_taken(issuer, tmp_path):
    pair = issuer.issue("localhost", "127.0.0.1", file="renewed")
    with standing(tmp_path, *options(pair)) as running:
        first = shown_serial(running, issuer.file)
        issuer.issue("localhost", "127.0.0.1", file="renewed")
        second = after_hangup(running, "was read again", issuer)
        pair.key.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
        third = after_hangup(running, "does not belong", issuer)
        said = running.stop()

    assert first != second
    assert second == third
    assert "Traceback" not in said
    assert running.process.returncode == 0


def after_hangup(running: Standing, expected: str, issuer: Issuer) -> str:
    """Send SIGHUP, wait until the log tells of it, and return the serial number that is shown then."""
    running.process.send_signal(signal.SIGHUP)
    pause = threading.Event()
    for _ in range(500):
        if expected in running.said():
            break
        pause.wait(0.02)
    else:
        pytest.fail(f"{expected!r} is not in {running.said()!r}")
    return shown_serial(running, issuer.file)


def with_mode(pair: Issued, mode: int) -> Issued:
    pair.key.chmod(mode)
    return pair


def encrypted(pair: Issued) -> Issued:
    pair.key.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1()), b"secret passphrase"))
    return pair


def test_an_unusable_pair_is_refused_with_a_sentence_that_names_it(issuer, tmp_path):
    now, day = datetime.now(UTC), timedelta(days=1)
    own = Issuer(tmp_path)
    good, other = own.issue("localhost", file="good"), own.issue("localhost", file="other")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    text.chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    broken = {
        "cannot be read: No such file": Issued(tmp_path / "none.pem", good.key),
        f"key file {tmp_path / 'none.key'} cannot be read": Issued(good.certificate, tmp_path / "none.key"),
        "expired on": own.issue("localhost", file="old", ends=now - timedelta(hours=1)),
        "is not valid before": own.issue("localhost", file="early", begins=now + day, ends=now + 2 * day),
        "does not belong to the certificate": Issued(good.certificate, other.key),
        "holds no certificate in PEM form": Issued(text, good.key),
        "holds no private key in PEM form": Issued(good.certificate, text),
        "has a passphrase": encrypted(own.issue("localhost", file="encrypted")),
        "Run: chmod 600": with_mode(own.issue("localhost", file="readable"), 0o644),
        "is not a regular file": Issued(good.certificate, tmp_path / "pipe"),
    }

    for sentence, pair in broken.items():
        with pytest.raises(TlsProblem) as problem:
            ServerTls(TlsFiles(pair.certificate, pair.key))
        assert sentence in str(problem.value)
        assert "PRIVATE" not in str(problem.value)


def test_a_key_behind_a_link_is_taken_as_programs_that_renew_certificates_keep_it(issued, tmp_path):
    link = tmp_path / "live.key"
    link.symlink_to(issued.key)

    certificate = ServerTls(TlsFiles(issued.certificate, link))

    assert certificate.names == ("localhost", "127.0.0.1")


def test_the_command_says_in_one_sentence_what_is_wrong_with_a_pair(tmp_path):
    old = Issuer(tmp_path).issue("localhost", ends=datetime.now(UTC) - timedelta(days=3))

    expired = refused(tmp_path, *options(old))
    half = refused(tmp_path, "--tls-cert", str(old.certificate))

    assert (expired.returncode, expired.stdout) == (2, "")
    assert "expired on" in expired.stderr
    assert expired.stderr.count("\n") == 1
    assert half.returncode == 2
    assert "belong together" in half.stderr
    assert not (tmp_path / "a.db").exists()


def test_with_a_certificate_it_listens_elsewhere_without_being_told_twice(issuer, tmp_path):
    pair = issuer.issue("authority.example.com", "*.internal.example.com", "localhost", file="elsewhere")
    variables = {"ALLOWLY_TLS_CERT": str(pair.certificate), "ALLOWLY_TLS_KEY": str(pair.key)}

    with standing(tmp_path, "--host", "0.0.0.0", **variables) as running:
        reached = running.base_url
        statuses = [
            status_for(running, issuer, host)
            for host in ("authority.example.com", "one.internal.example.com", "rebound.example.org")
        ]

    assert reached.startswith("https://authority.example.com:")
    assert statuses == [200, 200, 403]


def status_for(running: Standing, issuer: Issuer, host: str) -> int:
    context = ssl.create_default_context(cafile=str(issuer.file))
    with (
        socket.create_connection(address(running), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted_,
    ):
        encrypted_.sendall(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(encrypted_.recv(65536).split()[1])


@pytest.mark.parametrize(
    ("listening_on", "names", "reached"),
    [
        ("127.0.0.1", ("localhost", "127.0.0.1"), "127.0.0.1"),
        ("127.0.0.1", ("localhost",), "localhost"),
        ("0.0.0.0", ("*.example.com", "authority.example.com"), "authority.example.com"),
        ("0.0.0.0", (), "0.0.0.0"),
        ("192.0.2.7", ("authority.example.com",), "192.0.2.7"),
    ],
)
def test_the_url_names_a_host_that_the_certificate_is_for_where_there_is_one(listening_on, names, reached):
    assert public_host(listening_on, names) == reached


def test_names_of_a_certificate_may_stand_in_host_and_one_label_for_a_star():
    hosts = OwnHosts("127.0.0.1", ("*.Example.com", "authority.example.org"))

    included = [hosts.include(name) for name in ("A.example.com:8787", "authority.example.org", "[::1]:8787")]
    others = [hosts.include(name) for name in ("example.com", "a.b.example.com", "x.example.org", "", "192.0.2.7")]

    assert included == [True] * 3
    assert others == [False] * 5
