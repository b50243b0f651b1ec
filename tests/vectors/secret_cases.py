"""Texts with secrets in them, in pieces, so that no scanner takes this file or what is made of it for a leak."""

from __future__ import annotations

MIXED = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
UPPER = "ABCDEFGH12345678"

KEYS: dict[str, tuple[str, str]] = {
    "openai": ("sk", "-" + MIXED[:16]),
    "openai project": ("sk", "-proj-" + MIXED),
    "anthropic": ("sk", "-ant-api03-" + MIXED),
    "stripe": ("sk", "_live_" + MIXED[:24]),
    "stripe restricted": ("rk", "_live_" + MIXED[:16]),
    "stripe publishable": ("pk", "_test_" + MIXED[:16]),
    "stripe webhook": ("whsec", "_" + MIXED[:12] + "+/=="),
    "allowly": ("allowly", "_live_" + MIXED[:8]),
    "allowly role": ("allowly", "_approver_operator_" + MIXED),
    "allowly long word": ("allowly", "_" + "o" * 20 + "_" + MIXED),
    "github": ("gh", "p_" + MIXED[:36]),
    "github, short": ("gh", "s_" + MIXED[:16]),
    "github of a kind to come": ("gh", "v_" + MIXED[:36]),
    "github fine-grained": ("github", "_pat_" + MIXED[:16]),
    "gitlab": ("glpat", "-" + MIXED[:16]),
    "slack": ("xox", "b-" + MIXED[:10]),
    "slack configuration": ("xox", "c-" + MIXED[:10]),
    "slack app": ("xapp", "-" + MIXED[:10]),
    "slack hook": ("hooks.slack.com", "/services/" + MIXED[:20]),
    "aws": ("AKIA", UPPER),
    "aws session": ("ASIA", UPPER),
    "aws bearer": ("ABIA", UPPER),
    "aws context": ("ACCA", UPPER),
    "google": ("AIza", MIXED[:35]),
    "google access": ("ya29", "." + MIXED[:20]),
    "google client": ("GOCSPX", "-" + MIXED[:20]),
    "npm": ("npm", "_" + MIXED[:30]),
    "pypi": ("pypi", "-" + MIXED[:30]),
    "hugging face": ("hf", "_" + MIXED[:30]),
    "digitalocean": ("dop", "_v1_" + "0f" * 32),
    "sendgrid": ("SG", "." + MIXED[:16] + "." + MIXED[:30]),
    "age": ("AGE-SECRET", "-KEY-1" + "Q0" * 25),
    "jwt": ("eyJ" + MIXED, ".eyJ" + MIXED + "." + MIXED),
    "private key": ("-----BEGIN RSA PRIV", "ATE KEY-----\n" + MIXED + "\n-----END RSA PRIVATE KEY-----"),
    "half a private key": ("-----BEGIN PRIV", "ATE KEY-----\n" + MIXED),
}
"""By kind: a key in two pieces. Every reader finds all of it."""

CARRIED: dict[str, tuple[str, str, str]] = {
    "bearer": ("Authorization: Bearer ", MIXED, ""),
    "bearer in lower case": ("authorization: bearer ", MIXED, " and so on"),
    "basic": ("Authorization: Basic ", MIXED[:20] + "==", ""),
    "password of a URL": ("postgresql://ada:", "hunter22", "@db.example/x"),
    "password": ("PASSWORD=", "hunter22", " ./run"),
    "parameter": ("https://x.test/?access_token=", "hunter22", "&page=2"),
    "json": ('{"client_secret": "', "hunter22", '"}'),
    "aws secret": ("aws_secret_access_key = ", MIXED, ""),
    "connection string": ("Server=db;Uid=sa;Password=", "hunter22", ";Encrypt=yes"),
}
"""By kind: what stands before a secret, the secret, what stands behind. Every reader finds the secret."""

_PART = "." + MIXED[:9]

WEB_TOKENS: dict[str, tuple[str, str, str]] = {
    "of the shortest parts": ("", "eyJ" + MIXED[:8] + ("." + MIXED[:8]) * 2, ""),
    "behind a word": (MIXED[:9] + ".", "eyJ" + MIXED[:8] + _PART * 2, ""),
    "behind a name": ("token_", "eyJ" + MIXED[:8] + _PART * 2, ""),
    "with its header's first letters twice": ("a-", "eyJeyJ" + MIXED[:8] + _PART * 2, ""),
    "behind its first letters in a word": ("beyJ" + MIXED[:8] + "_", "eyJ" + MIXED[:8] + _PART * 2, ""),
    "before more parts": ("", "eyJ" + MIXED[:8] + _PART * 2, "." + MIXED[:7] + "." + MIXED[:7]),
    "in a letter's word": ("\u00e9eyJ" + MIXED[:8] + _PART * 2, "", ""),
    "with a short header": ("eyJ" + MIXED[:7] + _PART * 2, "", ""),
    "with a short payload": ("eyJ" + MIXED[:8] + "." + MIXED[:7] + _PART, "", ""),
    "without a signature": ("eyJ" + MIXED[:8] + _PART + "." + MIXED[:7], "", ""),
}
"""By kind: what stands before a JSON Web Token, the token, what stands behind. A screen masks the token alone."""

IN_LOGS: dict[str, tuple[str, str]] = {
    "allowly state": ("allowly", "-1." + MIXED),
    "confirmation": ("cnf", "_" + MIXED),
    "escalation": ("esc", "_" + "0f" * 16),
    "nonce": (MIXED, "-_z"),
    "jwt unsigned": ("eyJ" + MIXED, ".eyJ" + MIXED + "."),
}
"""By kind: what a log leaves out, and a person who decides must be able to read."""

HARMLESS = (
    "",
    "send the mail to ada@example.com",
    "https://example.com:8080/a@b",
    "https://example.com/path?q=tokens&page=2",
    "the tokens: 100 of them",
    "the key to success, and a secret",
    "skating-on-thin-ice-is-not-a-good-idea",
    "desk-top and task-list and risk_free",
    "risk-0123456789abcdef0123456789",
    "3f2a9c1e-8f57-4a7e-9a2e-1c5f0e9d7b11",
    "2026-11-22T10:05:00.000+00:00",
    "AKIA" + UPPER + "9",
    "sk-" + MIXED[:15],
    "gh0_" + MIXED,
)
"""Texts that no reader touches."""
