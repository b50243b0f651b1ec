"""Where a database is: a file, or the URL of a PostgreSQL server, whose secrets are never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MAX_URL_CHARACTERS: Final = 2048

_SCHEMES: Final = ("postgresql", "postgres")
_NAME: Final = re.compile(r"/?[A-Za-z0-9_.~%-]*")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The URL of a PostgreSQL database.

    Attributes:
        text: As libpq understands it; may hold a password.
        shown: What may be shown: the server and the database's name.
        has_password: Whether a password stands in it.
    """

    text: str = field(repr=False)
    shown: str
    has_password: bool = False

    def __str__(self) -> str:
        return self.shown


def parse_database_url(text: str) -> DatabaseUrl:
    """Check the URL of a PostgreSQL database, as far as this can be done without its driver.

    Raises:
        ValueError: It is not such a URL. The text of the error shows nothing of it.
    """
    problem = "a database URL has the form postgresql://USER@HOST:PORT/NAME"
    if len(text) > MAX_URL_CHARACTERS or not text.isprintable():
        raise ValueError(problem)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in _SCHEMES or "://" not in text:
        raise ValueError(problem)
    # Else the rest of a password that holds a slash, for example, would be taken for the name, and shown.
    if _NAME.fullmatch(parts.path) is None or "@" in parts.query or parts.fragment:
        raise ValueError(f"{problem}, with special characters of a password or name percent-encoded")
    place = (f"[{host}]" if ":" in host else host) if host else ""
    # The name of the user and all parameters are left out: in a mistyped URL a password may stand there.
    shown = f"postgresql://{place}{f':{port}' if port else ''}{parts.path}"
    return DatabaseUrl(text, shown, parts.password is not None or "password" in parts.query.lower())
