"""The seeded bugs of limits and of what is told about decisions. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

LIMITS = "middleware/allowly_middleware/limits/"
OBSERVABILITY = "middleware/allowly_middleware/observability/"


def limits(name: str, old: str, new: str) -> Patch:
    return Patch(f"{LIMITS}{name}", old, new)


def observability(name: str, old: str, new: str) -> Patch:
    return Patch(f"{OBSERVABILITY}{name}", old, new)


MUTANTS = (
    Mutant(
        "a window takes one call more",
        "G6",
        (limits("counters.py", "return Count(left > 0, left,", "return Count(left >= 0, left,"),),
        ("counting in memory", "limits"),
    ),
    Mutant(
        "a call leaves its window a moment early",
        "G6",
        (
            limits(
                "counters.py",
                "bisect_right(self._calls, now - self._rate.period_us,",
                "bisect_right(self._calls, now - self._rate.period_us + 1,",
            ),
        ),
        ("counting in memory",),
    ),
    Mutant(
        "a bucket is refilled faster than it says",
        "G6",
        (
            limits(
                "counters.py",
                "- (now - self._since) * self._rate.calls)",
                "- (now - self._since + 1) * self._rate.calls)",
            ),
        ),
        ("counting in memory",),
    ),
    Mutant(
        "a call that one limit refuses is counted by the others",
        "G6",
        (
            limits(
                "memory.py",
                "if not all(count.fits for count in counts):",
                "if not any(count.fits for count in counts):",
            ),
        ),
        ("counting in memory", "limits"),
    ),
    Mutant(
        "a clock that is set back is believed",
        "G6",
        (limits("memory.py", "self._now = max(self._now, wanted)", "self._now = wanted"),),
        ("counting in memory",),
    ),
    Mutant(
        "a full store forgets to make room",
        "G6",
        (
            limits(
                "memory.py",
                'raise StoreUnavailable(f"the store is full: it keeps {self._cells:,} calls")',
                "self._counters, self._due, self._cells = {}, [], 0",
            ),
        ),
        ("store in memory",),
    ),
    Mutant(
        "Redis counts what it refuses",
        "G6",
        (limits("consume.lua", "counted = counted and state.fits", "counted = counted or state.fits"),),
        ("counting in Redis", "store in Redis"),
    ),
    Mutant(
        "Redis lets a call leave its window a moment late",
        "G6",
        (limits("consume.lua", "> at - period then live = middle", ">= at - period then live = middle"),),
        ("counting in Redis", "store in Redis"),
    ),
    Mutant(
        "Redis believes a clock that was set back",
        "G6",
        (limits("consume.lua", "local at = last and math.max(now, whole(last)) or now", "local at = now"),),
        ("counting in Redis",),
    ),
    Mutant(
        "Redis writes times with fourteen digits",
        "G6",
        (limits("consume.lua", "return string.format('%.0f', number)", "return tostring(number)"),),
        ("store in Redis",),
    ),
    Mutant(
        "Redis may answer what it likes",
        "G10",
        (
            limits(
                "redis.py",
                "if not sound or counted != all(count.fits for count in counts):",
                "if not sound and counted != all(count.fits for count in counts):",
            ),
        ),
        ("store in Redis",),
    ),
    Mutant(
        "a call that could not be counted runs",
        "G10",
        (limits("decisions.py", "allowed=False, limit=limit, remaining=0", "allowed=True, limit=limit, remaining=0"),),
        ("limits", "store in Redis"),
    ),
    Mutant(
        "a key of nobody is a key",
        "G10",
        (
            limits(
                "limits.py", "return texts if len(texts) == len(parts) else []", "return [str(part) for part in parts]"
            ),
        ),
        ("limits",),
    ),
    Mutant(
        "an id that nothing proves has a count of its own",
        "G6",
        (limits("keys.py", "if subject.authenticated and subject.id is not None", "if subject.id is not None"),),
        ("limits",),
    ),
    Mutant(
        "an observer that fails fails the call",
        "G10",
        (observability("observers.py", "except Exception as error:", "except KeyError as error:"),),
        ("observers",),
    ),
    Mutant(
        "what stands under a secret name is shown",
        "G7",
        (observability("redaction.py", "secret = self._is_secret(key, name) or", "secret ="),),
        ("redaction", "no secret"),
    ),
    Mutant(
        "a secret is not looked for behind the limit",
        "G7",
        (observability("redaction.py", "looked_at = text[: limit + LONGEST_START]", "looked_at = text[:limit]"),),
        ("redaction",),
    ),
    Mutant(
        "a mask on the screen has no end",
        "G8",
        (Patch("middleware/allowly_authority/key_shapes.py", 'f"{self.least},{self.most}" if', 'f"{self.least}," if'),),
        ("secret shapes",),
    ),
    Mutant(
        "a log looks for keys of one maker alone",
        "G7",
        (observability("secrets.py", "for shape in KEY_SHAPES)", "for shape in KEY_SHAPES[:1])"),),
        ("secret shapes", "redaction"),
    ),
    Mutant(
        "members of a record are not redacted",
        "G7",
        (
            observability(
                "logs.py",
                "return self._redactor.text(value) if isinstance(value, str) else",
                "return value if isinstance(value, str) else",
            ),
        ),
        ("no secret",),
    ),
    Mutant(
        "tracebacks are not redacted",
        "G7",
        (observability("logs.py", "self._redactor.text(traceback, MAX_TRACEBACK_CHARACTERS)", "traceback"),),
        ("logs",),
    ),
    Mutant(
        "the server's name goes into metrics as it is",
        "G7",
        (
            observability(
                "telemetry.py", "self._servers.of(self._shown(record.server))", "self._servers.of(record.server)"
            ),
        ),
        ("no secret",),
    ),
    Mutant(
        "a reason that is a sentence makes metrics grow",
        "G6",
        (
            observability(
                "telemetry.py",
                "code = self._reasons.of(reason) if not reason or _CODE.fullmatch(reason) else OTHER",
                "code = reason",
            ),
        ),
        ("telemetry",),
    ),
    Mutant(
        "arguments are in spans unasked",
        "G7",
        (
            observability(
                "telemetry.py",
                "if self._record_arguments and record.arguments is not None:",
                "if record.arguments is not None:",
            ),
        ),
        ("telemetry",),
    ),
)
