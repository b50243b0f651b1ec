"""Writes the vectors that the Python gate and its TypeScript twin are both held against; `--check` only compares.

Everything in them is what the Python code really does with the cases; nothing is written by hand but the cases.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cases
import secret_cases
from pydantic import TypeAdapter, ValidationError

from allowly_authority.addresses import checked_base_url
from allowly_authority.binding import bound_resource, canonical_json, digest_of
from allowly_authority.client import AuthorityClient
from allowly_authority.outcomes import Answer
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.scalars import Identifier, Timestamp
from allowly_harness.display.secrets import secret_ranges as masked_ranges
from allowly_middleware import CallFacts, CheckInput, Gate
from allowly_middleware.adapters.mcp import blocked_result
from allowly_middleware.observability.secrets import secret_ranges as redacted_ranges
from allowly_middleware.payload import UNAVAILABLE_META, blocked_payload, blocked_text
from allowly_middleware.verdicts import Verdict

HERE = Path(__file__).parent
SAFE = 2**53 - 1
"""The largest whole number up to which every double is itself."""


def _canonical() -> Iterator[dict[str, Any]]:
    for name, text in cases.CANONICAL.items():
        value = json.loads(text)
        try:
            canonical = canonical_json(value)
        except ValueError:
            yield {"name": name, "json": text, "canonical": None}
            continue
        numbers = [number for number in _numbers(value) if number == int(number) and abs(number) > SAFE]
        yield {
            "name": name,
            "json": text,
            "canonical": canonical,
            "sha256": digest_of(canonical),
            "resource": bound_resource("send", canonical),
            # A whole number beyond 2^53 - 1 may be another one in JavaScript, which has doubles alone.
            "rounded_by_doubles": any(isinstance(number, int) for number in numbers),
            "beyond_doubles": bool(numbers),
        }


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


class _Recorded(AuthorityClient):
    """The real client, whose requests go nowhere: one answer for all of them."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(base_url="https://authority.example", api_key="allowly_test_key")
        self.answer = answer
        self.sent: list[Any] = []

    async def _send(self, call: Any, deadline: float) -> Any:
        self.sent.append(call)
        return self.answer


def _decide(client: AuthorityClient, facts: CallFacts, **options: Any) -> Verdict:
    async def decide() -> Verdict:
        return await Gate(client, lambda user_id: f"auth_{user_id}", **options).decide(facts)

    return asyncio.run(decide())


def _answer(status: int, body: bytes, content_type: str) -> Answer:
    return Answer(status, body, content_type.partition(";")[0].strip().lower() == "application/json", None)


def _replies() -> Iterator[dict[str, Any]]:
    replies = [(name, 200, "application/json", body) for name, body in cases.BODIES.items()]
    replies += [(f"status {status}", status, "application/json", cases.reply()) for status in cases.STATUSES]
    replies += [(f"media type {media_type!r}", 200, media_type, cases.reply()) for media_type in cases.MEDIA_TYPES]
    for name, status, content_type, body in replies:
        content = body if isinstance(body, bytes) else body.encode()
        verdict = _decide(_Recorded(_answer(status, content, content_type)), CallFacts.of("send", {"user_id": "ada"}))
        yield {
            "name": name,
            "status": status,
            "content_type": content_type,
            **({"body": body} if isinstance(body, str) else {"body_base64": base64.b64encode(body).decode()}),
            "allowed": verdict.allowed,
            "payload": dict(verdict.payload) or None,
            "unavailable": verdict.meta is not None,
        }


def _checks() -> Iterator[dict[str, Any]]:
    plain: dict[str, Any] = {"tool": "send", "arguments": '{"user_id": "ada", "text": "5", "n": 5.0}', "check": {}}
    calls: dict[str, dict[str, Any]] = {
        "a call": plain,
        "the newer words": plain | {"dialect": "actions"},
        "without binding": plain | {"bind": False},
        "another scope": plain | {"check": {"scope": "mail.send"}},
        "another resource": plain | {"check": {"resource": "mailbox:7"}},
        "no resource": plain | {"check": {"resource": None}},
        "facts and a label": plain | {"check": {"context": {"b": [1, None], "a": "\u00fc"}, "session_id": "s-1"}},
        "letters": plain
        | {"tool": "senden/\u00fc", "arguments": '{"user_id": "ada", "\\u2028": "\\ud83d\\ude00\\u007f"}'},
    }
    for name, case in calls.items():
        client, check = _Recorded(_answer(200, cases.reply().encode(), "application/json")), CheckInput(**case["check"])
        facts = CallFacts.of(case["tool"], json.loads(case["arguments"]))
        options = {"dialect": case.get("dialect", "scopes"), "bind_arguments": case.get("bind", True)}
        _decide(client, facts, check_input_fn=lambda _, check=check: check, **options)
        sent = client.sent[0]
        yield {
            "name": name,
            "tool": case["tool"],
            "arguments": case["arguments"],
            "check_input": case["check"],
            **options,
            "path": sent.path,
            "body": sent.content.decode(),
        }


def _results() -> Iterator[dict[str, Any]]:
    for payload in cases.TEXTS:
        for meta in (None, UNAVAILABLE_META):
            result = blocked_result(Verdict(payload=payload, meta=meta))
            yield {
                "payload": payload,
                "unavailable": meta is not None,
                "text": blocked_text(payload),
                "result": {
                    **({} if result.meta is None else {"_meta": dict(result.meta)}),
                    "content": [block.model_dump(by_alias=True, exclude_none=True) for block in result.content],
                    "structuredContent": result.structured_content,
                    "isError": result.is_error,
                },
            }


def _strict() -> Iterator[dict[str, Any]]:
    for text in cases.STRICT:
        try:
            yield {"json": text, "canonical": canonical_json(parse_json(text.encode()))}
        except StrictJSONError:
            yield {"json": text, "canonical": None}


def _timestamps() -> Iterator[dict[str, Any]]:
    model: TypeAdapter[Any] = TypeAdapter(Timestamp)
    for text in cases.TIMESTAMPS:
        try:
            moment = model.validate_python(text, strict=True)
        except ValidationError:
            yield {"text": text, "milliseconds": None}
            continue
        yield {"text": text, "milliseconds": _written(moment)}


def _written(moment: Any) -> Any:
    from allowly_authority.wire.replies import CheckResult

    result = CheckResult(decision="confirm", reason="r", confirm_nonce="n").model_copy(
        update={"confirm_expires_at": moment}
    )
    return blocked_payload(result)["confirm_expires_at"]


def _names() -> Iterator[dict[str, Any]]:
    for value in cases.NAMES:
        verdict = _decide(
            _Recorded(_answer(200, cases.reply().replace("auth_ada", "a").encode(), "application/json")),
            CallFacts.of("send", {"user_id": value}),
        )
        yield {"value": value, "usable": verdict.payload.get("reason") != "authorization_not_found"}


def _identifiers() -> Iterator[dict[str, Any]]:
    model: TypeAdapter[Any] = TypeAdapter(Identifier)
    for value in cases.IDENTIFIERS:
        yield {"value": value, "usable": _holds(lambda value=value: model.validate_python(value, strict=True))}


def _base_urls() -> Iterator[dict[str, Any]]:
    for url in cases.BASE_URLS:
        yield {"url": url, "usable": _holds(lambda url=url: checked_base_url(url, allow_insecure=False))}


def _secrets() -> Iterator[dict[str, Any]]:
    for name, pieces in (secret_cases.KEYS | secret_cases.IN_LOGS).items():
        for before, behind in (("", ""), ("see ", " <and so on>")):
            yield _searched(name, [before, *pieces, behind])
    for name, pieces in secret_cases.CARRIED.items():
        yield _searched(name, list(pieces))
    for name, pieces in secret_cases.WEB_TOKENS.items():
        yield _searched(f"web token {name}", list(pieces))
    for text in secret_cases.HARMLESS:
        yield _searched("harmless", [text])


def _searched(name: str, pieces: list[str]) -> dict[str, Any]:
    text = "".join(pieces)
    return {"name": name, "pieces": pieces, "masked": masked_ranges(text), "redacted": redacted_ranges(text)}


def _holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except ValueError:
        return False
    return True


VECTORS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "canonical": _canonical,
    "checks": _checks,
    "replies": _replies,
    "results": _results,
    "strict_json": _strict,
    "timestamps": _timestamps,
    "names": _names,
    "identifiers": _identifiers,
    "base_urls": _base_urls,
    "secrets": _secrets,
}
"""What makes each file."""


def vectors(name: str) -> str:
    """Return the text of one file."""
    lines = ",\n".join(f"  {json.dumps(case)}" for case in VECTORS[name]())
    return f"[\n{lines}\n]\n"


def main() -> int:
    """Write the files, or say which are out of date."""
    paths = {name: HERE / f"{name}.json" for name in VECTORS}
    stale = [name for name, path in paths.items() if not path.exists() or path.read_text("utf-8") != vectors(name)]
    for name in stale:
        if "--check" in sys.argv:
            print(f"tests/vectors/{name}.json is out of date; run: python tests/vectors/generate.py", file=sys.stderr)
        else:
            paths[name].write_text(vectors(name), encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
