"""An authority behind a proxy: the address that it was told is the one that clients and replies use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standing import KEY, Standing, refused, standing

from allowly_authority.web.page.guard import SIGN_IN
from allowly_authority.web.public_url import parse_public_url

PUBLIC = "https://allowly.example.com:8443"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("behind")
    with standing(folder, "--log-format", "none", "--public-url", f"{PUBLIC}/") as started:
        yield started


def sent(running: Standing, host: str, method: str = "GET", path: str = "/v1/principal", **more: object):
    headers = {"Authorization": f"Bearer {KEY}", "Host": host}
    with httpx.Client(base_url=running.base_url, headers=headers, trust_env=False) as http:
        return http.request(method, path, **more)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("allowly.example.com", 200),
        ("Allowly.Example.com:8443", 200),
        ("127.0.0.1", 200),
        ("example.com", 403),
        ("evil.allowly.example.com", 403),
        ("allowly.example.com.evil.test", 403),
    ],
)
def test_the_public_host_may_be_named_besides_this_computer_and_no_other(running, host, status):
    assert sent(running, host).status_code == status


def test_replies_link_to_the_public_url(running):
    body = {"authorization_id": "auth_of_nobody", "actions": ["read"]}
    reply = sent(running, "allowly.example.com", "POST", "/v1/check", json=body).json()

    assert reply["results"]["read"]["receipt"]["url"].startswith(f"{PUBLIC}/v1/receipts/")


def test_what_is_told_at_the_start_names_both_addresses(running):
    assert running.where["public_url"] == PUBLIC
    assert running.where["inbox_url"] == f"{PUBLIC}/inbox"
    assert running.where["base_url"].startswith("http://127.0.0.1:")


def test_the_web_page_takes_the_origin_that_the_browser_sees_and_marks_its_cookie_secure(running):
    host = "allowly.example.com:8443"
    key = sent(running, host, "POST", "/v1/keys", json={"principal_id": "ada", "roles": ["approver"]}).json()["key"]

    public, plain = (
        sent(running, host, "POST", SIGN_IN, json={"key": key}, headers={"Origin": origin})
        for origin in (PUBLIC, PUBLIC.replace("https:", "http:"))
    )

    assert (public.status_code, plain.status_code) == (200, 403)
    assert public.headers["set-cookie"].startswith("__Host-")
    assert "secure" in public.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "text",
    [
        "allowly.example.com",
        "ftp://allowly.example.com",
        "https://",
        "https://user:secret@allowly.example.com",
        "https://allowly.example.com/path",
        "https://allowly.example.com?x=1",
        "https://*.example.com",
        "http://allowly.example.com",
        "http+unix://%2Ftmp%2Fx",
        "https://allowly.example.com:99999",
        "https://allowly\u00e9.example.com",
    ],
)
def test_a_public_url_that_says_more_or_less_than_a_host_is_refused(text):
    with pytest.raises(ValueError, match="public URL"):
        parse_public_url(text, allow_insecure=False)


def test_a_bad_public_url_keeps_the_authority_from_starting(tmp_path: Path):
    done = refused(tmp_path, "--public-url", "https://allowly.example.com/path")

    assert (done.returncode, done.stdout) == (2, "")
    assert "public URL" in done.stderr
    assert not (tmp_path / "a.db").exists()
