"""Where a database is: a file, or the URL of a PostgreSQL server, whose secrets are never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = ("postgresql", "postgres")
MAX_URL_CHARACTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The URL of a PostgreSQL database.

    Attributes:
        text: As libpq understands it; may hold a password.
        shown: What may be shown: the server and the database's name.
    """

    text: str = field(repr=False)
    shown: str

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
    place = (f"[{host}]" if ":" in host else host) if host else "local socket"
    # The name of the user and all parameters are left out: in a mistyped URL a password may stand there.
    return DatabaseUrl(text, f"postgresql://{place}{f':{port}' if port else ''}{parts.path}")
