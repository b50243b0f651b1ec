"""What the page's routes take and refuse, request by request: sessions, their two secrets, origins, headers."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from allowly_authority.engine.principals import Principal
from allowly_authority.service.problems import ApiProblem
from allowly_authority.web.page import signing_in
from allowly_authority.web.page.files import read_files
from allowly_authority.web.page.guard import CONTENT_SECURITY_POLICY, cookie_name
from allowly_authority.web.page.sessions import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    MAX_SESSIONS,
    MAX_SESSIONS_OF_ONE,
    Sessions,
)
from allowly_authority.web.page.signing_in import Doorkeeper

pytestmark = pytest.mark.anyio

ADA = Principal("ada", frozenset({"approver"}), frozenset({"compliance"}))


class Page:
    """The requests that the page's script makes."""

    def __init__(self, world: Any) -> None:
        self.http = httpx.AsyncClient(base_url=world.running.base_url, trust_env=False)
        self.own = {"Origin": world.running.base_url, "Sec-Fetch-Site": "same-origin"}
        self.token = ""

    async def sign_in(self, key: str, **headers: str) -> httpx.Response:
        reply = await self.http.post("/inbox/session", json={"key": key}, headers=self.own | headers)
        if reply.status_code == 200:
            self.token = reply.json()["token"]
        return reply

    async def send(self, method: str, path: str, body: Any = None, **changed: str | None) -> httpx.Response:
        headers: dict[str, str | None] = {**self.own, "X-Inbox-Token": self.token, **changed}
        kept = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        with anyio.fail_after(10):
            return await self.http.request(method, f"/inbox{path}", json=body, headers=kept)


@pytest.fixture
async def page(world):
    made = Page(world)
    yield made
    await made.http.aclose()


@pytest.fixture
async def ada(world) -> str:
    return await world.key("ada", addresses=("compliance",))


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Let refusals wait for nothing."""
    monkeypatch.setattr(signing_in, "FIRST_DELAY_SECONDS", 0.0)


async def test_an_approvers_key_is_exchanged_for_a_cookie_that_no_script_can_read(page, ada):
    reply = await page.sign_in(ada)

    cookie = reply.headers["set-cookie"]
    assert reply.status_code == 200
    assert cookie.startswith("allowly-inbox-")
    assert {"HttpOnly", "SameSite=strict", "Path=/inbox"} <= set(cookie.split("; "))
    assert "Max-Age" not in cookie
    assert ada not in reply.text + cookie
    assert reply.json()["names"] == ["ada", "compliance", "member:ada"]


def test_over_tls_the_cookie_belongs_to_this_host_alone():
    named = cookie_name({"scheme": "https", "server": ("127.0.0.1", 8443)})

    assert named == "__Host-allowly-inbox-8443"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("roles", "status", "said"),
    [
        (("gate",), 403, "a gate"),
        (("operator",), 403, "an approver's"),
        ((), 401, "wrong"),
        (None, 403, "tells nobody apart"),
    ],
)
async def test_no_other_key_opens_the_page(world, page, roles, status, said):
    """G11: the workspace key could approve in anybody's name, and a gate's lies next to the agent."""
    key = world.running.api_key if roles is None else "nonsense"
    if roles:
        key = await world.key("bob", *roles)

    reply = await page.sign_in(key)

    assert (reply.status_code, "set-cookie" in reply.headers) == (status, False)
    assert said in reply.json()["error"]["message"]


async def test_who_approves_and_operates_has_only_the_rights_of_an_approver_here(world, page):
    both = await world.key("eve", "approver", "operator")
    await world.ask(to="compliance")
    await page.sign_in(both)

    async with page.http.stream("GET", "/inbox/events", headers={**page.own, "X-Inbox-Token": page.token}) as stream:
        with anyio.fail_after(20):
            lines = stream.aiter_lines()
            told = [await anext(lines) for _ in range(5)]

    assert '"items":[]' in "\n".join(told)


@pytest.mark.parametrize(
    "changed",
    [
        {"X_Inbox_Token": None},
        {"X_Inbox_Token": "x" * 43},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
async def test_nothing_is_decided_by_a_request_that_is_not_the_pages_own(world, page, ada, changed):
    """G1: another site, and another server on this computer that was sent the cookie, get nowhere."""
    asked = await world.ask(show=False)
    await page.sign_in(ada)
    changed = {name.replace("_", "-"): value for name, value in changed.items()}

    reply = await page.send("POST", f"/escalations/{asked}/resolve", {"resolution": "approved"}, **changed)

    assert reply.status_code == 403
    assert (await world.status(asked))["status"] == "pending"


async def test_without_its_token_a_cookie_reads_nothing(page, ada):
    await page.sign_in(ada)

    replies = [
        await page.send("GET", path, **{"X-Inbox-Token": None}) for path in ("/session", "/events", "/escalations/x")
    ]

    assert [reply.status_code for reply in replies] == [403, 403, 403]


async def test_without_its_cookie_a_token_does_nothing(page, ada):
    await page.sign_in(ada)
    page.http.cookies.clear()

    assert (await page.send("GET", "/session")).json()["error"]["code"] == "signed_out"


async def test_a_key_opens_nothing_of_the_page_and_a_cookie_nothing_of_the_api(page, ada):
    await page.sign_in(ada)
    by_cookie = await page.http.get("/v1/prompts", headers={"X-Inbox-Token": page.token})
    page.http.cookies.clear()
    by_key = await page.send("GET", "/session", Authorization=f"Bearer {ada}")

    assert (by_cookie.status_code, by_key.status_code) == (401, 401)


async def test_the_api_still_answers_no_web_page(page, ada):
    for origin in (page.own["Origin"], "https://elsewhere.example"):
        reply = await page.http.get("/v1/prompts", headers={"Authorization": f"Bearer {ada}", "Origin": origin})

        assert reply.status_code == 403


async def test_a_form_of_another_site_cannot_sign_anybody_in(page, ada):
    own = page.own
    page.own = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    foreign = await page.sign_in(ada)
    page.own = own
    as_form = await page.http.post("/inbox/session", data={"key": ada}, headers=own)

    assert (foreign.status_code, as_form.status_code) == (403, 400)


@pytest.mark.parametrize("path", ["", "/assets/inbox.js", "/session", "/nothing", "/assets/nothing.js"])
async def test_every_reply_of_the_page_is_locked_down(page, path):
    reply = await page.send("GET", path)

    headers = reply.headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "'unsafe" not in CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


async def test_a_name_that_is_pointed_here_gets_no_page(page):
    """DNS rebinding."""
    reply = await page.http.get("/inbox", headers={"Host": "elsewhere.example"})

    assert reply.status_code == 403


@pytest.mark.parametrize("path", ["/", "/assets/", "/assets/../app.py", "/assets/inbox.html", "/assets/%2e%2e/app.py"])
async def test_nothing_beside_the_pages_files_is_handed_out(page, ada, path):
    await page.sign_in(ada)

    assert (await page.send("GET", path)).status_code in {401, 404}


def test_the_page_has_no_style_or_script_but_in_files_of_its_own():
    files = read_files()

    document = files["inbox.html"].content.decode()
    assert document.count("<script") == 1
    assert all(sign not in document for sign in (" style=", "<style", " onclick", "http:", "https:", "//"))
    for name, file in files.items():
        source = file.content.decode()
        assert all(
            sink not in source for sink in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "document.write")
        ), name
        assert "https://" not in source


async def test_signing_out_ends_the_session_at_once(page, ada):
    await page.sign_in(ada)
    cookies = dict(page.http.cookies)

    left = await page.send("DELETE", "/session")
    page.http.cookies.update(cookies)

    assert (left.status_code, "Max-Age=0" in left.headers["set-cookie"]) == (204, True)
    assert (await page.send("GET", "/session")).status_code == 401


async def test_revoking_the_key_ends_the_session_at_once(world, page, ada):
    asked = await world.ask(show=False)
    await page.sign_in(ada)

    await world.revoke(ada)

    reply = await page.send("POST", f"/escalations/{asked}/resolve", {"resolution": "approved"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "signed_out")
    assert (await world.status(asked))["status"] == "pending"


async def test_a_stream_ends_with_the_key_that_opened_it(world, page, ada):
    await page.sign_in(ada)
    heard = []

    with anyio.fail_after(10):
        async with page.http.stream(
            "GET", "/inbox/events", headers={**page.own, "X-Inbox-Token": page.token}
        ) as stream:
            async for line in stream.aiter_lines():
                if not heard:
                    await world.revoke(ada)
                heard.append(line)

    assert any("snapshot" in line for line in heard)


async def test_who_answers_cannot_be_said(world, page, ada):
    asked = await world.ask(show=False)
    await page.sign_in(ada)

    reply = await page.send("POST", f"/escalations/{asked}/resolve", {"resolution": "approved", "resolved_by": "eve"})

    assert reply.status_code == 422
    assert (await world.status(asked))["status"] == "pending"


async def test_what_is_for_somebody_else_cannot_be_answered(world, page, ada):
    asked = await world.ask(to="legal", show=False)
    await page.sign_in(ada)

    reply = await page.send("POST", f"/escalations/{asked}/resolve", {"resolution": "approved"})

    assert reply.status_code == 403
    assert (await world.status(asked))["status"] == "pending"


async def test_what_is_for_somebody_else_is_not_told_either(world, page, ada):
    own, foreign = await world.ask(), await world.ask(to="legal")
    await page.sign_in(ada)

    replies = [
        await page.send("GET", f"/escalations/{asked}{part}") for asked in (own, foreign) for part in ("", "/call")
    ]

    assert [reply.status_code for reply in replies] == [200, 200, 403, 403]
    assert not any("transfer" in reply.text or "legal" in reply.text for reply in replies[2:])


async def test_reading_changes_nothing(world, page, ada):
    asked = await world.ask(show=False)
    await page.sign_in(ada)

    reply = await page.send("GET", f"/escalations/{asked}/resolve?resolution=approved")

    assert (reply.status_code, reply.headers.get("allow", "")) == (405, "POST")
    assert (await world.status(asked))["status"] == "pending"


class Steps:
    """A clock that tests move, and a sleep that only notes how long it was asked for."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_a_session_ends_when_nobody_does_anything_and_after_twelve_hours_in_any_case():
    steps = Steps()
    sessions = Sessions(steps)
    idle, busy = sessions.open(ADA, "key-1"), sessions.open(ADA, "key-2")

    while steps.now < 1000 + LONGEST_SECONDS - 1:
        steps.now += IDLE_SECONDS / 2
        found = sessions.find(busy.cookie)
        if found is not None:
            sessions.use(found)
        if steps.now == 1000 + IDLE_SECONDS:
            assert (sessions.find(idle.cookie), found is None) == (None, False)

    assert sessions.find(busy.cookie) is None
    assert idle.session.ended.is_set()
    assert busy.session.key == ""


async def test_sessions_are_bounded_and_the_least_used_makes_room():
    steps = Steps()
    sessions = Sessions(steps)
    of_ada = []
    for _ in range(MAX_SESSIONS_OF_ONE + 1):
        steps.now += 1
        of_ada.append(sessions.open(ADA, "key"))
    others = [
        sessions.open(Principal(f"p{n}", ADA.roles), "key") for n in range(MAX_SESSIONS - MAX_SESSIONS_OF_ONE + 1)
    ]

    assert [sessions.find(opened.cookie) is None for opened in of_ada[:3]] == [True, True, False]
    assert sessions.find(others[-1].cookie) is others[-1].session


async def test_a_session_keeps_no_secret_of_the_browser_and_tells_none():
    opened = Sessions().open(ADA, "allowly_approver_secret")

    assert len({opened.cookie, opened.token}) == 2
    assert all(
        secret not in repr(opened.session) for secret in (opened.cookie, opened.token, "allowly_approver_secret")
    )


async def test_refusals_wait_longer_and_longer_and_a_good_key_never_does(caplog):
    steps = Steps()
    holders = {"good": ADA}

    async def find(key: str) -> Principal | None:
        return holders.get(key)

    doorkeeper = Doorkeeper(find, "w" * 32, clock=steps, sleep=steps.sleep)
    for _ in range(7):
        with pytest.raises(ApiProblem):
            await doorkeeper.admit("bad")
    waited = list(steps.slept)
    await doorkeeper.admit("good")
    steps.now += signing_in.FORGIVEN_SECONDS + 1
    with pytest.raises(ApiProblem):
        await doorkeeper.admit("bad")

    assert waited == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert steps.slept[7:] == [0.25]
    assert "bad" not in caplog.text


async def test_a_flood_of_bad_keys_is_told_to_come_later():
    never = anyio.Event()

    async def nobody(_: str) -> None:
        return None

    async def wait(_: float) -> None:
        await never.wait()

    doorkeeper = Doorkeeper(nobody, "w" * 32, clock=Steps(), sleep=wait)

    async def knock() -> None:
        with pytest.raises(ApiProblem):
            await doorkeeper.admit("bad")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(signing_in.MAX_WAITING):
                group.start_soon(knock)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(ApiProblem) as told:
                await doorkeeper.admit("bad")
            never.set()

    assert (told.value.status, told.value.retry_after_seconds) == (429, 5)


async def test_without_the_page_its_address_is_nothing(world):
    from allowly_authority import embedded_authority

    async with (
        embedded_authority(db=":memory:", key=world.running.api_key) as bare,
        httpx.AsyncClient(base_url=bare.base_url, trust_env=False) as http,
    ):
        reply = await http.get("/inbox", headers={"Authorization": f"Bearer {bare.api_key}"})

    assert reply.status_code == 404
