"""The cases that the vectors are made of: arguments, replies of an authority, names, addresses, times."""

from __future__ import annotations

import json
from typing import Any

CANONICAL = {
    "empty": "{}",
    "null": "null",
    "order of names": '{"b": 1, "a": 2, "A": 3, "aa": 4, "": 5, "10": 6, "9": 7}',
    "names outside of the basic plane": '{"\\ud83d\\ude00": 1, "\\ufb33": 2, "z": 3, "\\u00e9": 4, "\\u20ac": 5}',
    "names of prototypes": '{"__proto__": {"a": 1}, "constructor": 2, "toString": 3}',
    "duplicate names": '{"a": 1, "a": 2}',
    "white space": ' { "a" : [ 1 , 2 ] } ',
    "nested": '{"to": ["ada@example.com"], "mail": {"subject": "Hi", "tags": [], "parts": [{"n": 1}, null, true]}}',
    "escapes": json.dumps('\x00\x01\b\t\n\x0b\f\r\x1f "\\/\x7f\x80'),
    "separators of lines": '"\\u2028\\u2029"',
    "letters": '"\u00fc\u4e2d\U0001f600"',
    "not normalised": '["\\u00e9", "e\\u0301"]',
    "an escaped letter": '"\\u0061\\/"',
    "a pair of surrogates": '"\\ud83d\\ude00"',
    "half a pair": '{"text": "\\ud83d"}',
    "the other half": '{"text": "\\ude00"}',
    "halves in the wrong order": '"\\ude00\\ud83d"',
    "half a pair in a name": '{"\\ud800": 1}',
    "zero": "[0, -0, 0.0, -0.0, 0e5, -0e-5]",
    "whole numbers": "[1, -1, 10, 100, 1.0, 1e2, 1E+2, 100e-2, 123456789]",
    "fractions": "[0.1, -0.5, 1.5, 3.141592653589793, 0.30000000000000004, 100.25, 1e-1]",
    "small numbers": "[0.000001, 0.0000015, 1e-6, 9.99e-7, 1e-7, 1.5e-10, 5e-324, 2.2250738585072014e-308]",
    "large numbers": "[1e20, 123456789012345680000.0, 1e21, 1.5e21, 1e22, -1e21, 1.7976931348623157e308]",
    "more digits than a double has": "[0.1000000000000000055511151231257827, 3.14159265358979323846, 2.5e15]",
    "the largest safe number": "[9007199254740991, -9007199254740991]",
    "a whole number too many": "9007199254740992",
    "a number that doubles do not have": "[9007199254740993, 1152921504606846977]",
    "a whole number of 22 digits": '{"id": 1000000000000000000000}',
    "too large for a double": "1e400",
    "too small for a double": "[1e-400, -1e-400]",
    "64 levels": "[" * 64 + "]" * 64,
    "65 levels": "[" * 65 + "]" * 65,
    "64 levels of both kinds": '{"a":[' * 32 + "1" + "]}" * 32,
}

PLACES = {"authorization_id": "auth_ada", "policy_version": "1"}
LATER = "2026-11-22T10:05:00.000Z"


def reply(result: dict[str, Any] | None = None, /, **more: Any) -> str:
    """Return the body of a reply to a check of `send`."""
    allow = {"decision": "allow", "reason": "authorization_granted_scope_active", "receipt": None}
    return json.dumps({**PLACES, "results": {"send": result or allow}, **more})


def confirm(**more: Any) -> dict[str, Any]:
    """Return the result that asks for a confirmation."""
    asked = {"confirm_nonce": "n-1", "confirm_expires_at": LATER, "confirm_prompt_hint": "send"}
    return {"decision": "confirm", "reason": "scope_requires_user_confirmation", **asked, **more}


def escalate(**more: Any) -> dict[str, Any]:
    """Return the result that asks somebody else."""
    asked = {"escalation_id": "esc_1", "escalation_to": "compliance", "escalation_expires_at": LATER}
    return {"decision": "escalate", "reason": "escalation_required", **asked, **more}


def deny(reason: Any, **more: Any) -> dict[str, Any]:
    """Return the result that says no."""
    return {"decision": "deny", "reason": reason, **more}


ALLOW = {"decision": "allow", "reason": "r"}

BODIES: dict[str, str | bytes] = {
    "allow": reply(),
    "allow and nothing else": json.dumps({"authorization_id": "auth_ada", "results": {"send": ALLOW}}),
    "allow with nulls and unknown names": reply({**ALLOW, "confirm_nonce": None, "escalation_id": None, "more": [1]}),
    "deny": reply(deny("scope_not_authorized")),
    "deny with an odd reason": reply(deny("says <no> \u2028 \u00fc \U0001f600 \x7f \x01")),
    "deny without a word": reply(deny("")),
    "deny with a reason of 1000 characters": reply(deny("\U0001f600" * 1000)),
    "deny with a reason of 1001 characters": reply(deny("x" * 1001)),
    "confirm": reply(confirm()),
    "confirm without hint and end": reply(confirm(confirm_prompt_hint=None, confirm_expires_at=None)),
    "confirm with a public id": reply(confirm(confirmation_id="cnf_1")),
    "confirm with a nonce of 256 characters": reply(confirm(confirm_nonce="n" * 256)),
    "escalate": reply(escalate()),
    "escalate to nobody yet": reply(escalate(escalation_to=None, escalation_expires_at=None)),
    "about a user": reply(user_id="ada", agent_id="agent", authorization_expires_at=LATER),
    "about nobody": reply(user_id=None, agent_id=None, authorization_expires_at=None),
    "a time with an offset": reply(confirm(confirm_expires_at="2026-11-22T12:05:00.9999+02:00")),
    # What breaks the contract.
    "confirm without a nonce": reply(confirm(confirm_nonce=None)),
    "confirm with an empty nonce": reply(confirm(confirm_nonce="")),
    "confirm with a nonce that is a path": reply(confirm(confirm_nonce="../v1/check")),
    "confirm with a nonce of 257 characters": reply(confirm(confirm_nonce="n" * 257)),
    "confirm with a nonce and a line feed": reply(confirm(confirm_nonce="n-1\n")),
    "confirm with a number for a nonce": reply(confirm(confirm_nonce=1)),
    "confirm with a hint that is none": reply(confirm(confirm_prompt_hint=["send"])),
    "confirm with a bad public id": reply(confirm(confirmation_id="a b")),
    "confirm that ends at no time": reply(confirm(confirm_expires_at="soon")),
    "confirm that ends in another type": reply(confirm(confirm_expires_at=1763806500)),
    "confirm with an escalation": reply(confirm(escalation_id="esc_1")),
    "escalate without an id": reply(escalate(escalation_id=None)),
    "escalate with an id that is a path": reply(escalate(escalation_id="a/b")),
    "allow with a nonce": reply({**ALLOW, "confirm_nonce": "n-1"}),
    "allow with an escalation": reply({**ALLOW, "escalation_id": "esc_1"}),
    "allow without a reason": reply({"decision": "allow"}),
    "allow with a reason that is none": reply({"decision": "allow", "reason": None}),
    "another word": reply({"decision": "ALLOW", "reason": "r"}),
    "a word and a space": reply({"decision": "allow ", "reason": "r"}),
    "true": reply({"decision": True, "reason": "r"}),
    "a list of words": reply({"decision": ["allow"], "reason": "r"}),
    "no decision": reply({"reason": "r"}),
    "another authorization": reply().replace("auth_ada", "auth_eve"),
    "no authorization": reply().replace('"authorization_id"', '"authorization"'),
    "another scope": reply().replace('"send"', '"delete"'),
    "one scope too many": json.dumps({**PLACES, "results": {"send": ALLOW, "delete": ALLOW}}),
    "a broken scope too many": json.dumps({**PLACES, "results": {"send": ALLOW, "delete": None}}),
    "no scope": json.dumps({**PLACES, "results": {}}),
    "results in a list": json.dumps({**PLACES, "results": [ALLOW]}),
    "a result that is a word": json.dumps({**PLACES, "results": {"send": "allow"}}),
    "a user that is a number": reply(user_id=7),
    "an end that is none": reply(authorization_expires_at="never"),
    "the prototype's own name": reply().replace('"send"', '"__proto__"'),
    "an allow in the prototype": reply({"__proto__": ALLOW}),
    "an allow in the prototype of a deny": reply(deny("r", __proto__=ALLOW)),
    "results in the prototype": json.dumps({**PLACES, "__proto__": {"results": {"send": ALLOW}}}),
    "an allow that is a number": reply({"decision": 1, "reason": "r"}),
    "an allow in an object": reply({"decision": {"decision": "allow"}, "reason": "r"}),
    "the decision of a confirmation": reply({"decision": "approved", "reason": "r"}),
    "letters that look like allow": reply({"decision": "\u0430llow", "reason": "r"}),
    "two decisions, one of them escaped": reply().replace('"allow"', '"deny", "\\u0064ecision": "allow"'),
    "two decisions": reply().replace('"allow"', '"deny", "decision": "allow"'),
    "two results": reply().replace('"results"', '"results": {}, "results"'),
    "a list": "[]",
    "null": "null",
    "nothing": "",
    "half a reply": reply()[:-1],
    "more after it": reply() + "{}",
    "no number": reply(more=float("nan")),
    "a number too large": reply().replace('"1"', "1e999"),
    "half a character": reply(deny("\ud800")),
    "a comment": "/**/" + reply(),
    "single quotes": reply().replace('"', "'"),
    "UTF-16": reply().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + reply().encode(),
    "no UTF-8": reply().encode().replace(b"auth_ada", b"auth_ad\xff"),
    "nested too deeply": reply(more=json.loads("[" * 32 + "]" * 32)),
    "nested as deeply as may be": reply(more=json.loads("[" * 31 + "]" * 31)),
}

STATUSES = (200, 201, 204, 301, 307, 400, 401, 402, 403, 404, 408, 409, 410, 418, 422, 425, 429, 500, 502, 503, 599)
MEDIA_TYPES = ("application/json; charset=utf-8", "Application/JSON", "text/html", "", "application/problem+json")

STRICT = [
    *('{"a": 1}', "[1, 2.5, -0, 1e3, true, false, null]", '"x"', "  7  ", "\t\n\r 1", '{"a": {"a": 1}}', "[]", "{}"),
    *('{"a": 1, "a": 1}', '{"a": 1, "\\u0061": 2}', '{"__proto__": 1}', '{"__proto__": 1, "__proto__": 2}'),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "1.", ".5", "+1", "0x1", "1_000", "--1", "-", "1e"),
    *("'x'", "{a: 1}", "[1,]", '{"a": 1,}', "[1 2]", '{"a" 1}', "[", "]", "{", '"', '"\\x41"', '"\\u12"', "tru", "nul"),
    *('"\t"', '"\n"', '"\\ud800"', '"\\ud83d\\ude00"', '{"\\udc00": 1}', "\u00a01", "\ufeff1", "1\x00", "", " "),
    *("[" * 32 + "]" * 32, "[" * 33 + "]" * 33, '{"a":' * 32 + "1" + "}" * 32, '{"a":' * 33 + "1" + "}" * 33),
]

TIMESTAMPS = [
    *("2026-11-22T10:05:00Z", "2026-11-22T10:05:00.1Z", "2026-11-22T10:05:00.123456789Z", "2026-11-22T10:05:00.9999Z"),
    *("2026-11-22T10:05:00+02:00", "2026-11-22T23:30:00-05:30", "2026-03-01T00:30:00+01:00", "0001-01-01T00:00:00Z"),
    *("2024-02-29T12:00:00Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.5Z", "0099-06-15T01:02:03Z"),
    *(
        "2026-02-29T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-01-32T00:00:00Z",
    ),
    *("2026-11-22T25:00:00Z", "2026-11-22T10:60:00Z", "2026-11-22T10:05:61Z", "0000-01-01T00:00:00Z"),
    *("2026-11-22T10:05:00", "2026-11-22", "2026-11-22 10:05:00Z", "2026-11-22t10:05:00z", "2026-11-22T10:05Z"),
    *(
        "2026-11-22T10:05:00.Z",
        "2026-11-22T10:05:00.1234567890Z",
        "2026-11-22T10:05:00+0200",
        "2026-11-22T10:05:00+24:00",
    ),
    *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", " 2026-11-22T10:05:00Z", "2026-11-22T10:05:00Z\n", ""),
    *("20261122T100500Z", "2026-W47-7T10:05:00Z", "+002026-11-22T10:05:00Z", "now", "1763806500"),
]

NAMES: list[Any] = [
    *("ada", "auth_1", " ada ", "\u00fc", "\x00", "0", "null", "a\n", "\u200b"),
    *("", " ", "\t\n\r\x0b\x0c", "\x1c\x1d\x1e\x1f", "\x85", "\u00a0", "\u2003\u3000", "\u2028\u2029"),
    *(None, 0, 7, 1.5, True, False, [], ["ada"], {}, {"id": "ada"}),
]

IDENTIFIERS: list[Any] = [
    *("n", "cnf_Zk-9.~:", "A" * 256, "..", ".", "0", "A" * 257, "", " ", "a b", "a/b", "a\\b", "a%2fb", "a\n", "\na"),
    *("\u00fc", "\uff21", "a\x00", "a?b", "a#b", "a@b", "a,b", "a+b", "a=b", None, 7, ["a"]),
]

BASE_URLS = [
    *("https://api.allowly.ai", "https://api.allowly.ai/", "https://api.allowly.ai//", "https://api.allowly.ai/base/"),
    *(
        "https://example.com:8443",
        "HTTPS://Example.COM",
        "https://192.0.2.1",
        "https://[2001:db8::1]:444/x",
        "https://a_b.example",
    ),
    *("http://127.0.0.1:8787", "http://127.0.0.1", "http://127.9.9.9:1/", "http://localhost:8787", "HTTP://LOCALHOST"),
    *("http://[::1]:8787", "http://[0:0:0:0:0:0:0:1]", "https://127.0.0.1:1/a/b", "https://example.com:"),
    *("http://example.com", "http://192.0.2.1", "http://0.0.0.0", "http://10.0.0.1", "http://[::]", "http://[fe80::1]"),
    *(
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://notlocalhost",
        "http://127.0.0.1@example.com",
    ),
    *("http://127.1", "http://127.0.0.01", "http://0x7f.0.0.1", "http://2130706433", "http://localhost%00.example.com"),
    *("https://user@example.com", "https://user:pass@example.com", "https://:pass@example.com", "https://@example.com"),
    *(
        "https://example.com?x=1",
        "https://example.com/?",
        "https://example.com#f",
        "https://example.com/#",
        "https://exa mple.com",
    ),
    *(
        "https://example.com/\u00fc",
        "https://ex\u00e4mple.com",
        " https://example.com",
        "https://example.com\n",
        "https://",
    ),
    *(
        "https:///x",
        "https:example.com",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "ws://127.0.0.1",
        "",
        "https://:443",
    ),
    *("https://example.com:port", "https://example.com:99999", "https://[::1", "https://::1", "https://[example.com]"),
    *(
        "http+unix://%2Ftmp%2Fa.sock",
        "http+unix://%2Ftmp%2Fa.sock/",
        "http+unix://%2ftmp%2f%C3%BC",
        "http+unix://%2F" + "a" * 102,
    ),
    *(
        "http+unix://%2F" + "a" * 103,
        "http+unix:///tmp/a.sock",
        "http+unix://tmp",
        "http+unix://",
        "http+unix://%2Ftmp%2F%FF",
    ),
    *(
        "http+unix://%2Ftmp%00",
        "http+unix://%2Ftmp?x",
        "http+unix://%2Ftmp#x",
        "http+unix://a@%2Ftmp",
        "http+unix://%2Ftmp%0A",
    ),
]

TEXTS: list[dict[str, Any]] = [
    deny("authorization_not_found"),
    deny('"\\\x00\x1f\x7f\x80\u00fc\u2028\U0001f600</script>'),
    {
        "decision": "confirm",
        "reason": "r",
        "confirm_nonce": "n",
        "confirm_prompt_hint": None,
        "confirm_expires_at": None,
    },
    {
        "decision": "escalate",
        "reason": "r",
        "escalation_id": "e",
        "escalation_to": None,
        "escalation_expires_at": LATER,
    },
]
