"""The certificate that the authority shows, checked before it is used: a sentence for each thing that can be wrong.

OpenSSL alone would ask on the terminal for the passphrase of a key, serve an expired certificate, and say
`KEY_VALUES_MISMATCH`.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from allowly_authority.addresses import is_this_computer
from allowly_authority.web.hosts import EVERY_ADDRESS

MAX_FILE_BYTES: Final = 1024 * 1024
"""Longest file of a certificate with its chain, or of a key."""

_FORM: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
_OTHERS: Final = stat.S_IRWXO
_GROUP_WRITES: Final = stat.S_IWGRP | stat.S_IXGRP


class TlsProblem(ValueError):
    """The certificate or its key cannot be used. The text is a sentence for a person, without the key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a certificate and its key are, both in PEM form.

    Attributes:
        certificate: The certificate, followed by those that lead to its issuer.
        key: Its private key, without a passphrase.
    """

    certificate: Path
    key: Path


class ServerTls:
    """The certificate in use.

    Args:
        files: Where it is read from, now and when it is loaded again.

    Attributes:
        context: For listening; TLS 1.2 and 1.3.
        names: The names and addresses in the certificate, in its order.
        not_after: When it expires.

    Raises:
        TlsProblem: It cannot be used.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self.context, leaf = _checked(files)
        self.names = _names(leaf)
        self.not_after = leaf.not_valid_after_utc

    def load_again(self) -> None:
        """Take what stands in the files now; connections that are open go on with the old certificate.

        Raises:
            TlsProblem: It cannot be used, and the old one stays.
        """
        _, leaf = _checked(self._files)
        _load(self.context, self._files)
        self.names = _names(leaf)
        self.not_after = leaf.not_valid_after_utc


def public_host(listening_on: str, names: Iterable[str]) -> str:
    """Return the host under which clients that check the certificate reach the server.

    Args:
        listening_on: The host that was bound.
        names: Those of the certificate.
    """
    plain = [name for name in names if not name.startswith("*")]
    if listening_on in plain or not plain:
        return listening_on
    if listening_on in EVERY_ADDRESS:
        return plain[0]
    local = [name for name in plain if is_this_computer(name)]
    return local[0] if local and is_this_computer(listening_on) else listening_on


def _checked(files: TlsFiles) -> tuple[ssl.SSLContext, x509.Certificate]:
    leaf = _certificate(files.certificate)
    if leaf.public_key().public_bytes(*_FORM) != _public_part(files.key):
        raise TlsProblem(f"The key in {files.key} does not belong to the certificate in {files.certificate}.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load(context, files)
    return context, leaf


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        # Without a function for the passphrase, OpenSSL would ask for it on the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise TlsProblem(f"The certificate in {files.certificate} cannot be used: {reason}.") from None


def _certificate(path: Path) -> x509.Certificate:
    try:
        leaf = x509.load_pem_x509_certificates(_read(path, "certificate", secret=False))[0]
    except ValueError as error:
        if isinstance(error, TlsProblem):
            raise
        raise TlsProblem(f"{path} holds no certificate in PEM form.") from None
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        raise TlsProblem(f"The certificate in {path} expired on {leaf.not_valid_after_utc:%Y-%m-%d}. Renew it.")
    if leaf.not_valid_before_utc > now:
        raise TlsProblem(
            f"The certificate in {path} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
        )
    return leaf


def _public_part(path: Path) -> bytes:
    data = _read(path, "key", secret=True)
    try:
        return serialization.load_pem_private_key(data, password=None).public_key().public_bytes(*_FORM)
    except TypeError:
        raise TlsProblem(f"The key in {path} has a passphrase, and nobody is there to type it. Remove it.") from None
    except Exception:  # noqa: BLE001 - the library has many, and some quote what they read
        raise TlsProblem(f"{path} holds no private key in PEM form.") from None


def _read(path: Path, what: str, *, secret: bool) -> bytes:
    try:
        # Links are followed: programs that renew certificates keep the current one behind a link.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            held = os.fstat(descriptor)
            if not stat.S_ISREG(held.st_mode):
                raise TlsProblem(f"The {what} file {path} is not a regular file.")
            if secret:
                _check_mode(path, held)
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TlsProblem(f"The {what} file {path} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_FILE_BYTES:
        raise TlsProblem(f"The {what} file {path} is longer than {MAX_FILE_BYTES} bytes.")
    return data


def _check_mode(path: Path, held: os.stat_result) -> None:
    """Refuse a key that others may read. Root's may be readable for one group, as with PostgreSQL's `ssl_key_file`."""
    exposed = held.st_mode & (_OTHERS | _GROUP_WRITES if held.st_uid == 0 else _OTHERS | stat.S_IRWXG)
    if exposed:
        raise TlsProblem(f"Others may read or change the key file {path}. Run: chmod 600 {path}")
    if held.st_uid not in {0, os.geteuid()}:
        raise TlsProblem(f"The key file {path} belongs to another user, who can change it.")


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return (*found.get_values_for_type(x509.DNSName), *addresses)
