"""What a standing authority says: one line for each request, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standing import KEY, environment, standing

from allowly_authority import AuthorityClient, logs
from allowly_authority.logs import LineWriter, logging_to
from allowly_authority.service.problems import ApiProblem
from allowly_authority.store.schema import StoreError
from allowly_authority.web.observing import Exchange

pytestmark = pytest.mark.anyio

CANARIES = ("CanaryResource", "CanaryNote", "CanaryUser", "CanarySession", "CanaryIdempotency", "CanaryContext")
"""What requests bring and nobody may find in a log."""


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


async def test_each_request_is_one_line_with_its_route_and_decision_and_nothing_that_it_brought(tmp_path, grant_on):
    """G7."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "CanaryIdempotency"}
    with standing(tmp_path, "--log-format", "json") as running:
        async with AuthorityClient(base_url=running.base_url, api_key=KEY, check_timeout_seconds=20) as client:
            authorization_id = await grant_on(client)
        async with httpx.AsyncClient(base_url=running.base_url, headers=headers, trust_env=False, timeout=20) as http:
            check = {
                "authorization_id": authorization_id,
                "scopes": ["send", "read"],
                "resource": "CanaryResource",
                "session_id": "CanarySession",
                "context": {"CanaryContext": 1},
            }
            checked = (await http.post("/v1/check", json=check)).json()
            nonce = checked["results"]["send"]["confirm_nonce"]
            await http.post(f"/v1/confirmations/{nonce}?CanaryUser", json={"approved": True})
            await http.post(f"/v1/confirmations/{nonce}x", json={"approved": True, "note": "CanaryNote"})
            await http.post("/v1/check", content=b'{"CanaryNote"')
            await http.get("/v1/nowhere/CanaryResource")
            await http.post("/v1/check", json=check, headers={"Authorization": "Bearer allowly_wrong_CanaryUser01234"})
        said = running.stop()

    told = lines(said)
    requests = [line for line in told if line["event"] == "request"]
    shown = [(line["method"], line["route"], line["status"], line["outcomes"], line["level"]) for line in requests]
    assert shown == [
        ("POST", "/v1/authorizations", 201, [], "info"),
        ("POST", "/v1/check", 200, ["confirm", "allow"], "info"),
        ("POST", "/v1/confirmations/{nonce}", 200, ["confirmation_approved"], "info"),
        ("POST", "/v1/confirmations/{nonce}", 409, [], "info"),
        ("POST", "/v1/check", 400, [], "info"),
        ("GET", "none", 404, [], "info"),
        ("POST", "none", 401, [], "warning"),
    ]
    assert [line["principal"] for line in requests] == ["workspace"] * 6 + [None]
    assert all(line["duration_ms"] >= 0 and re.fullmatch(r"\d{4}.*T.*\.\d{3}Z", line["time"]) for line in requests)
    for secret in (KEY, nonce, authorization_id, *CANARIES):
        assert secret not in said


async def test_the_text_form_is_for_people_and_a_level_leaves_out_what_went_well(tmp_path):
    headers = {"Authorization": f"Bearer {KEY}"}
    said = []
    for level in ("info", "warning"):
        folder = tmp_path / level
        folder.mkdir()
        with standing(folder, "--log-level", level) as running:
            async with httpx.AsyncClient(base_url=running.base_url, trust_env=False, timeout=20) as http:
                await http.get("/v1/policies", headers=headers)
                await http.get("/v1/policies")
            said.append(running.stop())

    good = re.compile(r"^\S+Z info +GET /v1/policies 200 [\d.]+ ms workspace$", re.MULTILINE)
    bad = re.compile(r"^\S+Z warning GET none 401 [\d.]+ ms -$", re.MULTILINE)
    assert [bool(good.search(text)) for text in said] == [True, False]
    assert [bool(bad.search(text)) for text in said] == [True, True]


PRELUDE = """
from allowly_authority.service import policies
def broken(*_, **__):
    canary = "CanaryLocal"
    raise KeyError("CanaryError " + canary)
policies.list_policies = broken
"""


def test_an_error_inside_is_told_by_its_class_and_place_without_its_words(tmp_path):
    """G7: the words of an error may quote what it met."""
    script = f"""
import sys
from pathlib import Path
from allowly_authority.standing import serve
{PRELUDE}
serve(port=0, db=Path(sys.argv[1]), log_format="json", on_ready=lambda where: print(where["base_url"], flush=True))
"""
    with (
        (tmp_path / "stderr").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "a.db")],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(),
        ) as process,
    ):
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as http:
            reply = http.get("/v1/policies", timeout=20)
        process.terminate()
        process.wait(20)
    said = (tmp_path / "stderr").read_text()

    errors_told = [line for line in lines(said) if line["level"] == "error"]
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
    assert errors_told[0]["message"] == "Answering GET /v1/policies failed"
    assert errors_told[0]["error"]["type"] == "KeyError"
    assert errors_told[0]["error"]["frames"][-1].endswith(" broken")
    assert "Canary" not in said + reply.text


# ---- the lines of other libraries


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with logging_to("json", "info", stream):
        yield stream
    # Closing has written what waited.


def written(stream: io.StringIO) -> list[dict[str, object]]:
    pause = threading.Event()
    for _ in range(200):
        if stream.getvalue():
            break
        pause.wait(0.02)
    return lines(stream.getvalue())


def test_words_that_other_libraries_put_into_their_messages_are_left_out(told):
    other = logging.getLogger("somebody.else")

    other.warning("Executing <Task name=%s>", "CanaryTask")
    other.warning("Cancel %s running task(s)", 3)
    other.error("Task exception was never retrieved\nfuture: <Task exception=KeyError('CanaryRepr')>")
    other.error("Exception in callback %r", "CanaryCallback", exc_info=ValueError("CanaryText"))

    found = written(told)
    assert "Canary" not in json.dumps(found)
    assert [line["message"] for line in found] == [
        "Executing <Task name=%s>",
        "Cancel 3 running task(s)",
        "Task exception was never retrieved",
        "Exception in callback %r",
    ]
    assert found[3]["error"]["type"] == "ValueError"


def test_only_errors_of_our_own_are_told_with_their_words(told):
    own = logging.getLogger("allowly_authority.something")

    for error in (StoreError("the database failed"), ApiProblem(500, "x", "CanaryProblem"), OSError("CanaryPath")):
        own.error("It failed", exc_info=error)

    found = [line["error"] for line in written(told)]
    assert [line.get("message") for line in found] == ["the database failed", None, None]
    assert "Canary" not in json.dumps(found)


def test_an_error_that_another_one_caused_names_both_and_the_place_of_the_first(told):
    def inner() -> None:
        raise LookupError("CanaryCause")

    try:
        try:
            inner()
        except LookupError as error:
            raise StoreError("the database failed") from error
    except StoreError:
        logging.getLogger("allowly_authority.x").exception("It failed")

    error = written(told)[0]["error"]
    assert error["type"] == "StoreError from LookupError"
    assert error["frames"][-1].endswith(" inner")


def test_a_stream_that_nobody_reads_stalls_nobody_and_lines_that_were_dropped_are_counted(monkeypatch):
    monkeypatch.setattr(logs, "MAX_WAITING_LINES", 5)
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stream = writing.makefile("w")
    writer = LineWriter(stream)

    for _ in range(2000):
        writer.write("x" * 1000)
    reading.settimeout(10)
    received = b""
    while b'"dropped"' not in received:
        received += reading.recv(65536)
    dropped = re.search(rb'"lines": (\d+)', received)
    reading.close()
    writer.close()
    writing.close()

    assert dropped is not None
    assert int(dropped.group(1)) > 0


def test_a_principal_with_a_strange_name_cannot_begin_a_line_of_its_own():
    stream = io.StringIO()
    exchange = Exchange("GET", "/v1/policies", 200, 0.001, "eve\u2028 x\u202e", ())

    with logging_to("text", "info", stream) as writing:
        writing.exchange(exchange)

    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.isascii()
    assert r'"eve\u2028 x\u202e"' in text


def test_logging_is_left_as_it_was(tmp_path: Path):
    root = logging.getLogger()
    before = (list(root.handlers), logging.getLogger("allowly_authority").level)

    with logging_to("json", "debug", io.StringIO()):
        pass

    assert (list(root.handlers), logging.getLogger("allowly_authority").level) == before
