"""What is shown of a command or an address: all of it, but nothing that acts on a terminal and no secret (G7, G8)."""

import pytest

from allowly_harness.hosts.shown import shown_command, shown_url


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("sh", "-c", "echo a; rm -rf ~"), "sh -c 'echo a; rm -rf ~'"),
        (("a\x1b[2J", "\nGo on? [y/N] y\n"), r"'a\x1b[2J' '\nGo on? [y/N] y\n'"),
        (("a", "--api-key", "abcdef123456"), "a --api-key <12 characters masked>"),
        (("a", "--token=abcdef123456"), "a --token=<12 characters masked>"),
        (("a", "postgresql://u:passw0rd@h/d"), "a postgresql://u:<8 characters masked>@h/d"),
        # A mask hides nothing that could be run.
        (("node", "--token", "evil.js"), "node --token evil.js"),
        (("node", "--token", "--eval=1234"), "node --token --eval=1234"),
        (("sh", "--password", "$(evil)"), "sh --password '$(evil)'"),
    ],
)
def test_a_command_is_shown_as_typed_with_secrets_masked(words: tuple[str, ...], shown: str) -> None:
    assert shown_command(words) == shown


def test_a_long_command_is_shown_to_its_end() -> None:
    assert shown_command(("sh", "-c", f"{'a ' * 8000}; evil")).endswith("; evil'")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@x.example:1/mcp?key=secret#s", "https://x.example:1/mcp"),
        ("https://good.example@evil.example/", "https://evil.example/"),
        ("https://x.example/mcp/abcdefghij0123456789/sse", "https://x.example/mcp/MASKED/sse"),
        ("https://x.example/${KEY}", "https://x.example/${KEY}"),
        ("http://[::1", "(an address that cannot be read)"),
        ("https://x.example/\x1b[2J", r"https://x.example/\x1b[2J"),
    ],
)
def test_an_address_is_shown_without_credentials(url: str, shown: str) -> None:
    assert shown_url(url) == shown
