"""The demo without a terminal, on every server kind and in both protocol eras."""

import pytest

LAST = "All seven ended as they must, and only the approved mails were delivered."


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("kind", ["mail", "mail_lowlevel", "mail_fastmcp"])
def test_the_demo_plays_the_whole_loop_by_itself(user, kind: str, era: str) -> None:
    played = user.run("demo", "--server", kind, "--era", era)

    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.rstrip().endswith(LAST)
    assert played.stderr == ""
    assert f"demo:{kind}, MCP {'2026' if era == 'modern' else '2025'}" in played.stdout


def test_the_demo_says_that_its_person_is_scripted_and_shows_no_secret(user) -> None:
    """G7."""
    played = user.run("demo")

    assert "scripted person" in played.stdout
    for secret in ("allowly_local_", "cnf_", "esc_", "auth_"):
        assert secret not in played.stdout
