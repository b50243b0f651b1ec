"""Secrets of every kind that must not come out, made here so that no scanner takes this file for a leak."""

import pytest

MIXED = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"

SECRETS: dict[str, tuple[str, str]] = {
    "openai": ("sk" + "-proj-" + MIXED, MIXED),
    "stripe": ("rk" + "_live_" + MIXED[:24], MIXED[:24]),
    "allowly": ("allowly" + "_local_" + MIXED + "xyz", MIXED),
    "allowly roles": ("allowly" + "_approver_operator_" + MIXED + "xyz", MIXED),
    "allowly state": ("allowly" + "-1." + MIXED * 3, MIXED),
    "confirmation": ("cnf" + "_" + MIXED, MIXED),
    "escalation": ("esc" + "_" + "0f" * 16, "0f" * 16),
    "nonce": (MIXED + "-_z", MIXED),
    "github": ("gh" + "p_" + MIXED[:36], MIXED[:36]),
    "github app": ("gh" + "s_" + MIXED[:36], MIXED[:36]),
    "github fine": ("github" + "_pat_" + MIXED, MIXED),
    "gitlab": ("glpat" + "-" + MIXED[:20], MIXED[:20]),
    "slack": ("xoxb" + "-1234567890-" + MIXED[:20], MIXED[:20]),
    "aws": ("AKIA" + "ABCDEFGH12345678", "ABCDEFGH12345678"),
    "aws session": ("ASIA" + "ABCDEFGH12345678", "ABCDEFGH12345678"),
    "aws secret": ("aws_secret_access_key=" + MIXED, MIXED),
    "google": ("AIza" + MIXED[:35], MIXED[:35]),
    "jwt": ("eyJ" + MIXED + ".eyJ" + MIXED + "." + MIXED, MIXED),
    "jwt unsigned": ("eyJ" + MIXED + ".eyJ" + MIXED + ".", MIXED),
    "bearer": ("Authorization: Bearer " + MIXED[:12], MIXED[:12]),
    "bearer in lower case": ("authorization: bearer\t" + MIXED[:12], MIXED[:12]),
    "basic": ("Authorization: Basic " + MIXED[:20] + "==", MIXED[:20]),
    "url": ("postgresql://ada:hunter2-" + MIXED[:4] + "@db/x", "hunter2"),
    "query": ("https://x.test/?access_token=" + MIXED[:9], MIXED[:9]),
    "assigned": ("password=hunter2", "hunter2"),
    "assigned words": ('password: "correct horse battery"', "horse"),
    "json": ('{"client_secret": "hunter2 and more"}', "hunter2"),
    "json in json": ('{\\"apiKey\\":\\"hunter2\\"}', "hunter2"),
    "api key": ("X-Api-Key: " + MIXED[:10], MIXED[:10]),
    "cookie": ("Cookie: sid=" + MIXED[:10], MIXED[:10]),
    "private key": (
        "-----BEGIN RSA PRIVATE KEY-----\n" + (MIXED + "\n") * 20 + "-----END RSA PRIVATE KEY-----",
        MIXED,
    ),
    "half a private key": ("-----BEGIN PRIVATE KEY-----\n" + (MIXED + "\n") * 3, MIXED),
}
"""By kind: a text, and the part of it that must not come out."""

SECRET_NAMES = (
    "password", "userPassword", "PASSWD", "api_key", "apiKey", "X-Api-Key", "APIKEY", "access_token", "refreshToken",
    "client_secret", "privateKey", "ssh_key", "Authorization", "Set-Cookie", "credentials", "otp", "card.cvv", "pin",
    "confirm_nonce", "nonce", "escalation_id", "requestState", "aws_secret_access_key",
    "\uff30assword", "db.connection_string",
)  # fmt: skip
HARMLESS_NAMES = (
    "to", "subject", "body", "tokens", "tokenizer", "spinning", "compass", "key", "keyboard", "monkey", "author",
    "passenger", "pinned", "announcement", "secretary", "cookbook",
)  # fmt: skip


@pytest.fixture(params=SECRETS.values(), ids=SECRETS.keys())
def secret(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A text, and the part of it that must not come out."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def every_secret() -> dict[str, tuple[str, str]]:
    return SECRETS


@pytest.fixture(params=SECRET_NAMES)
def secret_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=HARMLESS_NAMES)
def harmless_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)
