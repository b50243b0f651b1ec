"""The operator's commands as processes of their own: from nothing to a rule that is explained."""

import json
from pathlib import Path


def test_an_operator_goes_from_nothing_to_a_revoked_authorization(user, program: str, tmp_path: Path) -> None:
    db = str(tmp_path / "a.db")
    made = user.run("authority", "init", "--db", db, "--operator", "olga")
    with user.running(program, "authority", "serve", "--port", "0", "--db", db) as process:
        url = json.loads(process.stdout.readline())["base_url"]
        user.environ |= {"ALLOWLY_BASE_URL": url, "ALLOWLY_KEY": json.loads(made.stdout)["keys"][0]["key"]}
        granted = user.run("authority", "grant", "--user", "ada", "--confirm", "send")
        authorization = json.loads(granted.stdout)["authorization_id"]
        ended = user.run("authority", "revoke", authorization)
        said = user.run("authority", "explain", authorization, "send")

    assert made.returncode == 0, made.stderr
    assert ended.returncode == 0, ended.stderr
    assert said.stdout.startswith("send: deny, by revocation (authorization_revoked)\n")
    assert said.stdout.isascii()
