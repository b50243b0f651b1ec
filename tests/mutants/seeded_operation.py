"""The seeded bugs of how an authority listens, logs and is watched. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

AUTHORITY = "middleware/allowly_authority/"


def web(module: str, old: str, new: str) -> Patch:
    return Patch(f"{AUTHORITY}web/{module}.py", old, new)


MUTANTS = (
    Mutant(
        "what is remembered counts more than the record",
        "G10",
        (
            Patch(
                f"{AUTHORITY}store/queries.py",
                '            authorizations.c.revoked_ms.is_not_distinct_from(given("known_revoked_ms")),\n',
                "",
            ),
        ),
        ("remembered checks",),
    ),
    Mutant(
        "a clock that is behind gives more time",
        "G10",
        (
            Patch(
                f"{AUTHORITY}service/plain_checks.py", "_FOR_EVER if ended else authorization.expires_ms", "_FOR_EVER"
            ),
        ),
        ("remembered checks",),
    ),
    Mutant(
        "an expired certificate is shown",
        "G10",
        (web("tls", "if leaf.not_valid_after_utc <= now:", "if leaf.not_valid_after_utc is None:"),),
        ("certificates",),
    ),
    Mutant(
        "a certificate's key may be read by all",
        "G7",
        (web("tls", "    if exposed:\n", "    if exposed and not held:\n"),),
        ("certificates",),
    ),
    Mutant(
        "any name may stand in Host",
        "G11",
        (web("hosts", "in self._certified\n        return address", "is not None\n        return address"),),
        ("certificates",),
    ),
    Mutant(
        "a socket is put where others may put theirs",
        "G7",
        (web("unix_socket", "    if held.st_mode & _WRITABLE_BY_OTHERS:\n", "    if not held.st_mode:\n"),),
        ("sockets",),
    ),
    Mutant(
        "a socket that somebody answers on is taken away",
        "G10",
        (
            web(
                "unix_socket",
                "            asking.connect(str(path))\n",
                "            raise OSError(errno.ECONNREFUSED, path)\n",
            ),
        ),
        ("sockets",),
    ),
    Mutant(
        "paths are logged and counted",
        "G7",
        (web("endpoint", '["route"] = self.path', '["route"] = request.url.path'),),
        ("authority logs", "metrics"),
    ),
    Mutant(
        "the words of errors are logged",
        "G7",
        (Patch(f"{AUTHORITY}logs.py", "    if _has_own_text(error):\n", "    if error:\n"),),
        ("authority logs",),
    ),
    Mutant(
        "what other libraries met is logged",
        "G7",
        (Patch(f"{AUTHORITY}logs.py", "all(type(argument) in _NUMBERS for argument in arguments)", "arguments"),),
        ("authority logs",),
    ),
    Mutant(
        "metrics are open to all",
        "G7",
        (web("metrics", "ANY_KEY if needs_key else None", "None"),),
        ("metrics",),
    ),
    Mutant(
        "a database that takes no changes is ready",
        "G10",
        (
            Patch(
                f"{AUTHORITY}service/health.py",
                'error or "it does not answer")\n            return False',
                'error or "it does not answer")\n            return True',
            ),
        ),
        ("readiness",),
    ),
    Mutant(
        "a key file behind a link is read",
        "G7",
        (
            Patch(f"{AUTHORITY}workspace.py", "    if path.is_symlink():\n", "    if not path:\n"),
            Patch(f"{AUTHORITY}workspace.py", " | os.O_NOFOLLOW", ""),
        ),
        ("refusals",),
    ),
    Mutant(
        "a silent connection is kept for ever",
        "G6",
        (
            web(
                "protocol",
                "self.app = _overloaded\n        self._limit_reading(HEADER_SECONDS)\n",
                "self.app = _overloaded\n",
            ),
        ),
        ("stuck clients",),
    ),
    Mutant(
        "a client that does not read is waited for",
        "G6",
        (
            web(
                "protocol",
                "self.loop.call_later(WRITE_SECONDS, self.transport.abort)",
                "self.loop.call_later(9e9, print)",
            ),
        ),
        ("stuck clients",),
    ),
)
