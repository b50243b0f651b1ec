"""Mail that is really delivered: one Maildir per address below one folder. Nothing leaves the machine."""

from __future__ import annotations

import mailbox
import re
import shutil
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from pathlib import Path
from typing import Final

MAX_BODY_CHARACTERS: Final = 100_000
MAX_SUBJECT_CHARACTERS: Final = 500
MAX_LISTED: Final = 100

SCHEDULED: Final = ".scheduled"
"""The folder of mail that waits for its day. No address begins with a dot."""

_DELIVER_ON: Final = "X-Deliver-On"

# An address becomes a folder's name, so nothing that could climb out of the root is let in.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){1,8}")


class MailError(ValueError):
    """An address, a subject, a body or a key that cannot be used; the message says which."""


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
        return self._add(path, _message(to, subject, body))

    def schedule(self, to: str, subject: str, body: str, day: date) -> str:
        """Keep a message until `deliver_due` is called on its day or later; return its id.

        Raises:
            MailError: The address, the subject or the body cannot be used.
        """
        self._path(to)
        message = _message(to, subject, body)
        message[_DELIVER_ON] = day.isoformat()
        return self._add(self._root / SCHEDULED, message)

    def deliver_due(self, address: str, today: date) -> int:
        """Deliver what was scheduled for an address up to `today`; return how many messages that were."""
        path = self._path(address)
        if not (self._root / SCHEDULED).is_dir():
            return 0
        waiting = mailbox.Maildir(self._root / SCHEDULED, create=False)
        due = [
            key
            for key, message in waiting.iteritems()
            if message["To"] == address and str(message[_DELIVER_ON]) <= today.isoformat()
        ]
        for key in due:
            _maildir(path).add(waiting[key])
            waiting.remove(key)
        return len(due)

    def read(self, address: str) -> list[Mail]:
        """Return the messages of one mailbox, at most 100; empty where there is none."""
        found = [_mail(address, message) for message in self._messages(address).values()]
        return sorted(found, key=lambda mail: (mail.subject, mail.body))[:MAX_LISTED]

    def keys(self, address: str) -> dict[str, Mail]:
        """Return the messages of one mailbox by the key that each has for good, at most 100."""
        found = sorted(self._messages(address).items())[:MAX_LISTED]
        return {key: _mail(address, message) for key, message in found}

    def source(self, address: str, key: str) -> str:
        """Return one message as it was delivered, headers included.

        Raises:
            MailError: There is no such mailbox or message.
        """
        message = self._messages(address).get(key)
        if message is None:
            raise MailError(f"{address} holds no such message")
        return message.as_string()

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
        if not self._root.is_dir():
            return []
        return sorted(path.name for path in self._root.iterdir() if path.is_dir() and _ADDRESS.fullmatch(path.name))

    def _messages(self, address: str) -> dict[str, mailbox.MaildirMessage]:
        path = self._path(address)
        return dict(_maildir(path).iteritems()) if path.is_dir() else {}

    def _add(self, path: Path, message: EmailMessage) -> str:
        _maildir(path).add(message)
        return str(message["Message-ID"])

    def _path(self, address: str) -> Path:
        if _ADDRESS.fullmatch(address) is None:
            raise MailError(f"{address!r} is not an address like ada@example.com")
        return self._root / address


def _maildir(path: Path) -> mailbox.Maildir:
    """Open a mailbox, made where there is none.

    `mailbox.Maildir` makes its folders only where the outermost is missing, so of two first deliveries at
    once the second would find it without the others.
    """
    for folder in ("tmp", "new", "cur"):
        (path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return mailbox.Maildir(path, create=False)


def _message(to: str, subject: str, body: str) -> EmailMessage:
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
    return message


def _mail(address: str, message: mailbox.MaildirMessage) -> Mail:
    payload = message.get_payload(decode=True)
    body = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return Mail(address, str(message["Subject"]), body.rstrip("\n"))
