"""Who calls: from what the transport has verified, never from an argument, and nobody in particular otherwise."""

from __future__ import annotations

import contextlib
import socket

import anyio
import httpx2
import mcp
import pytest
import uvicorn
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

from allowly_middleware.pipeline import (
    ANONYMOUS,
    Auth,
    Caller,
    Pipeline,
    Subject,
    Transport,
    of_token,
    of_trusted_proxy,
)

pytestmark = pytest.mark.anyio


def caller(auth=None, *, host=None, **headers):
    return Caller(auth or Auth(), Transport("http", client_host=host, headers=headers), None)


async def test_nobody_in_particular_is_in_no_group_and_the_check_of_a_group_denies(bench):
    seen = []
    pipeline = Pipeline()

    @pipeline.server("github").operation("tool:call")
    def support_only(ctx, call_next):
        seen.append((ctx.subject, ctx.auth.authenticated, ctx.auth.user_id))
        return call_next() if ctx.subject.has_group("support") else ctx.deny("support only")

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("search_code", text="x")

    assert (result.is_error, bench.ran) == (True, [])
    assert set(seen) == {(ANONYMOUS, False, None)}


async def test_a_scope_of_a_group_is_for_its_members(bench):
    current, seen = [None], []
    pipeline = Pipeline(subject=lambda caller: current[-1])
    pipeline.group("support").tool("github.*", lambda ctx, call_next: seen.append(ctx.subject.id) or call_next())
    pipeline.group("support").group("leads").use(lambda ctx, call_next: seen.append("lead") or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        for subject in (
            Subject("ada", frozenset({"support"})),
            Subject("eve", frozenset({"sales"})),
            None,
            Subject("grace", frozenset({"support", "leads"})),
        ):
            current.append(subject)
            await client.call("search_code", text="x")

    assert seen == ["ada", "grace", "lead"]


@pytest.mark.parametrize(
    "resolver",
    [lambda caller: 1 / 0, lambda caller: 5, lambda caller: anyio.sleep(60)],
    ids=["raises", "answers-nonsense", "takes-too-long"],
)
async def test_where_nobody_can_say_who_calls_nothing_runs(resolver, make_bench, monkeypatch, caplog):
    monkeypatch.setattr("allowly_middleware.pipeline.identity.SUBJECT_TIMEOUT_SECONDS", 0.05)
    bench, working = make_bench("lowlevel"), [True]
    Pipeline(subject=lambda caller: "ada" if working else resolver(caller), observers=[lambda record: None]).attach(
        bench.server
    )
    async with bench.client() as client:
        working.clear()
        result = await client.call("search_code", text="x")
        with pytest.raises(mcp.MCPError):
            await client.tools()

    assert (result.is_error, bench.ran) == (True, [])
    assert result.meta["allowly-middleware/decision"]["reason"] == "subject_unavailable"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(None, ANONYMOUS), ("", ANONYMOUS), ("ada", Subject("ada")), (Subject("eve"), Subject("eve"))],
)
async def test_a_resolver_answers_with_a_subject_an_id_or_nothing(answer, expected, make_bench):
    bench, seen = make_bench("lowlevel"), []
    pipeline = Pipeline(subject=lambda caller: answer)
    pipeline.tool("*.*", lambda ctx, call_next: seen.append(ctx.subject) or call_next())
    pipeline.attach(bench.server)
    async with bench.client() as client:
        await client.call("search_code", text="x")

    assert seen == [expected]


def test_the_token_names_subject_groups_tenant_and_what_else_is_asked_for():
    resolve = of_token(groups_claim="groups", metadata_claims=["plan", "none"], tenant_claim="org")
    claims = {"groups": ["support", 5], "plan": "pro", "org": "acme", "secret": "x"}

    subject = resolve(caller(Auth(True, "ada", "client", "token", (), claims)))

    assert (subject.id, subject.groups, subject.tenant) == ("ada", frozenset({"support"}), "acme")
    assert dict(subject.metadata) == {"plan": "pro"}


@pytest.mark.parametrize("auth", [Auth(), Auth(False, "ada"), Auth(True, None), Auth(True, " ")])
def test_without_a_verified_user_nobody_is_named(auth):
    assert of_token(groups_claim="groups")(caller(auth)) is ANONYMOUS


@pytest.mark.parametrize(
    ("host", "headers", "expected"),
    [
        ("10.0.0.7", {"x-user": "ada", "x-groups": "support, leads,"}, Subject("ada", frozenset({"support", "leads"}))),
        ("10.0.0.7", {"x-user": " "}, ANONYMOUS),
        ("10.0.0.7", {}, ANONYMOUS),
        ("192.168.0.1", {"x-user": "ada"}, ANONYMOUS),
        ("::1", {"x-user": "ada"}, Subject("ada")),
        (None, {"x-user": "ada"}, ANONYMOUS),
        ("no address", {"x-user": "ada"}, ANONYMOUS),
    ],
)
def test_headers_are_believed_from_the_proxy_alone(host, headers, expected):
    resolve = of_trusted_proxy("X-User", proxies=["10.0.0.0/8", "::1"], groups_header="X-Groups")

    assert resolve(caller(host=host, **headers)) == expected


@pytest.mark.parametrize("proxies", [[], ["everywhere"]])
def test_a_trusted_proxy_must_be_named(proxies):
    with pytest.raises(ValueError, match=r"at least one|everywhere"):
        of_trusted_proxy("X-User", proxies=proxies)


class Tokens:
    """Takes every token for the subject of its own name."""

    async def verify_token(self, token):
        claims = {"groups": ["support"]} if token == "ada" else {}
        return AccessToken(token=token, client_id="client", scopes=["tools"], subject=token, claims=claims)


@contextlib.asynccontextmanager
async def http_server(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="on")
        server = uvicorn.Server(config)
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            server.should_exit = True


def app_of(kind, server):
    settings = AuthSettings(issuer_url="https://issuer.example", resource_server_url=None, required_scopes=[])
    if kind == "fastmcp":
        from fastmcp.server.auth import TokenVerifier

        class Verifier(TokenVerifier):
            verify_token = Tokens.verify_token

        server.auth = Verifier()
        return server.http_app()
    return server.streamable_http_app(auth=settings, token_verifier=Tokens())


@pytest.mark.parametrize("kind", ["fastmcp", "lowlevel"])
async def test_over_http_the_verified_token_of_each_request_says_who_calls(kind, make_bench):
    bench, seen = make_bench(kind), []
    pipeline = Pipeline(subject=of_token(groups_claim="groups"))

    @pipeline.tool("github.*")
    def note(ctx, call_next):
        seen.append((ctx.subject.id, ctx.subject.has_group("support"), ctx.auth.client_id, ctx.auth.scopes))
        assert ctx.transport.type == "http"
        assert ctx.transport.client_host == "127.0.0.1"
        assert ctx.request_id is not None
        return call_next()

    pipeline.attach(bench.server)
    with anyio.fail_after(20):
        async with http_server(app_of(kind, bench.server)) as url:
            for name in ("ada", "eve"):
                headers = {"Authorization": f"Bearer {name}"}
                async with (
                    httpx2.AsyncClient(headers=headers) as http,
                    mcp.Client(streamable_http_client(url, http_client=http)) as client,
                ):
                    await client.call_tool("search_code", {"text": "x", "user_id": "mallory"})

    assert seen == [("ada", True, "client", ("tools",)), ("eve", False, "client", ("tools",))]
