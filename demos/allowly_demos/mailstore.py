"""Mail that is really delivered: one Maildir per address below one folder. Nothing leaves the machine."""

from __future__ import annotations

import mailbox
import re
import shutil
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from pathlib import Path
from typing import Final

MAX_BODY_CHARACTERS: Final = 100_000
MAX_SUBJECT_CHARACTERS: Final = 500
MAX_LISTED: Final = 100

# An address becomes a folder's name, so nothing that could climb out of the root is let in.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){1,8}")


class MailError(ValueError):
    """An address, a subject or a body that cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One delivered message."""

    to: str
    subject: str
    body: str


class MailStore:
    """The mailboxes below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def deliver(self, to: str, subject: str, body: str) -> str:
        """Deliver a message and return its id.

        Raises:
            MailError: The address, the subject or the body cannot be used.
        """
        path = self._path(to)
        if len(subject) > MAX_SUBJECT_CHARACTERS or "\n" in subject or "\r" in subject:
            raise MailError(f"a subject is one line of at most {MAX_SUBJECT_CHARACTERS} characters")
        if len(body) > MAX_BODY_CHARACTERS:
            raise MailError(f"a body has at most {MAX_BODY_CHARACTERS} characters")
        message = EmailMessage()
        message["From"] = "assistant@demo.example"
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain="demo.example")
        message.set_content(body)
        self._root.mkdir(parents=True, exist_ok=True)
        mailbox.Maildir(path, create=True).add(message)
        return str(message["Message-ID"])

    def read(self, address: str) -> list[Mail]:
        """Return the messages of one mailbox, at most 100; empty where there is none."""
        path = self._path(address)
        if not path.is_dir():
            return []
        found = [_mail(address, message) for message in mailbox.Maildir(path, create=False)]
        return sorted(found, key=lambda mail: (mail.subject, mail.body))[:MAX_LISTED]

    def delete(self, address: str) -> int:
        """Delete a mailbox with everything in it; return how many messages it held."""
        path = self._path(address)
        if not path.is_dir():
            return 0
        count = len(mailbox.Maildir(path, create=False))
        shutil.rmtree(path)
        return count

    def addresses(self) -> list[str]:
        """Return the addresses that have a mailbox."""
        return sorted(path.name for path in self._root.iterdir() if path.is_dir()) if self._root.is_dir() else []

    def _path(self, address: str) -> Path:
        if _ADDRESS.fullmatch(address) is None:
            raise MailError(f"{address!r} is not an address like ada@example.com")
        return self._root / address


def _mail(address: str, message: mailbox.MaildirMessage) -> Mail:
    payload = message.get_payload(decode=True)
    body = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return Mail(address, str(message["Subject"]), body.rstrip("\n"))
