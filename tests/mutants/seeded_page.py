"""The seeded bugs of the inbox's page. See `mutants.py` for what they are for."""

from __future__ import annotations

import shutil

from mutants import Mutant, Patch

PAGE = "middleware/allowly_authority/web/page/"


def patch(name: str, old: str, new: str) -> Patch:
    return Patch(f"{PAGE}{name}", old, new)


def mutant(name: str, guarantee: str, file: str, old: str, new: str, *, killer: str = "page requests") -> Mutant:
    return Mutant(name, guarantee, (patch(file, old, new),), (killer,))


_SEEDED = (
    mutant(
        "the page is answered without the token of its session",
        "G1",
        "guard.py",
        "if not session.has_token(",
        "if False and not session.has_token(",
    ),
    mutant(
        "any token is good",
        "G1",
        "sessions.py",
        "return hmac.compare_digest(_digest(token), self.token_digest)",
        "return token != ''",
    ),
    mutant(
        "another origin may act on the page",
        "G1",
        "guard.py",
        "own = origin == f\"{scope['scheme']}://{host}\" or",
        "own = origin is not None or",
    ),
    mutant(
        "an answer needs no origin", "G1", "guard.py", 'origin is None and scope["method"] == "GET"', "origin is None"
    ),
    mutant(
        "the browser's word on who asks is not heard", "G1", "guard.py", 'site not in {None, "same-origin"}', "False"
    ),
    mutant("the page is served under any name", "G1", "guard.py", "not self._hosts.include(host)", "False"),
    mutant("scripts can read the cookie", "G7", "routes.py", "httponly=True", "httponly=False"),
    mutant("other sites send the cookie", "G1", "routes.py", 'samesite="strict"', 'samesite="lax"'),
    mutant("a revoked key keeps its session", "G10", "guard.py", "if not await self.is_good(session):", "if False:"),
    mutant("a stream outlives its key", "G10", "stream.py", "while await self._goes_on():", "while True:"),
    mutant("idle sessions go on", "G6", "sessions.py", "session.used + IDLE_SECONDS", "session.used + LONGEST_SECONDS"),
    mutant(
        "sessions last as long as they are used",
        "G6",
        "sessions.py",
        "session.begun + LONGEST_SECONDS",
        "session.used + LONGEST_SECONDS",
    ),
    mutant(
        "the workspace key opens the page",
        "G11",
        "signing_in.py",
        "if hmac.compare_digest(",
        "if False and hmac.compare_digest(",
    ),
    mutant("any key opens the page", "G11", "signing_in.py", 'if "approver" not in holder.roles:', "if False:"),
    mutant(
        "an operator sees everything on the page",
        "G7",
        "signing_in.py",
        'return replace(holder, roles=frozenset({"approver"}))',
        "return replace(holder)",
    ),
    mutant(
        "the page tells of what is for others",
        "G7",
        "routes.py",
        'if not principal_of(request).is_addressed_by(found["escalation_to"]):',
        "if False:",
    ),
    mutant("refusals cost nothing", "G6", "signing_in.py", "2 ** min(self._refused, 16)", "0"),
    Mutant(
        "the page may be framed",
        "G1",
        (
            patch("guard.py", "frame-ancestors 'none'; ", ""),
            patch("guard.py", '    (b"x-frame-options", b"DENY"),\n', ""),
        ),
        ("page drawn in a browser",),
    ),
    mutant(
        "the approval is on too early",
        "G1",
        "assets/reading.js",
        'return time >= this.readyAt && document.visibilityState === "visible";',
        "return true;",
        killer="page in a browser",
    ),
    mutant(
        "what was not read can be approved",
        "G1",
        "assets/card.js",
        "if (!this.reading.isWhole)",
        "if (false)",
        killer="page in a browser",
    ),
    mutant(
        "a script can press the button",
        "G1",
        "assets/card.js",
        "if (!event.isTrusted || ",
        "if (",
        killer="page in a browser",
    ),
    mutant(
        "a key that is held down approves",
        "G1",
        "assets/card.js",
        "if (event.repeat)",
        "if (false)",
        killer="page in a browser",
    ),
    mutant(
        "what cannot be seen wants no word",
        "G1",
        "assets/card.js",
        "this.isUnseen && this.parts.word.value",
        "false && this.parts.word.value",
        killer="page in a browser",
    ),
    mutant(
        "the page believes that the call is the one",
        "G13",
        "assets/facts.js",
        'return digest === about.digest ? "page" : "mismatch";',
        'return "page";',
        killer="page in a browser",
    ),
    mutant(
        "a lost reply is posted again",
        "G3",
        "assets/card.js",
        "    await this.findOut();\n  }",
        "    this.state = 'open';\n    await this.decide(this.chosen);\n  }",
        killer="page in a browser",
    ),
    mutant(
        "invisible characters are drawn",
        "G8",
        "assets/text.js",
        "return HIDDEN.test(character) || ",
        "return ",
        killer="page drawn in a browser",
    ),
    mutant(
        "a lost connection hinders nothing",
        "G10",
        "assets/card.js",
        "if (!this.live) return",
        "if (false) return",
        killer="page connected in a browser",
    ),
)

_HAS_BROWSER = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))

MUTANTS = tuple(one for one in _SEEDED if _HAS_BROWSER or "browser" not in one.killers[0])
