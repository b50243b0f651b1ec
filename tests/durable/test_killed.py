"""Harness, server and authority are killed at each step of a call, and what is said of it afterwards is true.

What really ran stands in a file that the tool itself writes. Points that end in "?" are those where nobody can
know whether the tool ran: the harness was killed between writing down that the call is sent and writing down
the answer, or the answer got lost with the server. A server that was killed while a question stood counts as one of
those: the next request on its connection fails like one whose answer was lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("killing.py")

CONFIRM_HARNESS = """
harness:record-dispatched:1:before
authority:check:1:before ?
authority:check:1:after ?
server:handled:1:after ?
harness:record-blocked:1:after
harness:lookup:1:after
harness:card:1:before
harness:card:1:after
harness:record-answered:1:after
authority:settle:1:before
authority:settle:1:after
harness:settle:1:after
harness:record-dispatched:2:before
harness:record-dispatched:2:after ?
authority:check:2:before ?
authority:check:2:after ?
server:tool:1:before ?
server:tool:1:after ?
server:handled:2:after ?
harness:record-finished:1:before ?
harness:record-finished:1:after
"""
CONFIRM_SERVER = """
server:check:1:before ?
server:handled:1:after ?
harness:card:1:before ?
server:check:2:before ?
server:check:2:after ?
server:tool:1:before ?
server:tool:1:after ?
server:handled:2:after ?
"""
CONFIRM_AUTHORITY = """
authority:check:1:before
authority:check:1:after
authority:look_up:1:before
harness:card:1:before
authority:settle:1:before
authority:settle:1:after
authority:check:2:before
authority:check:2:after
server:tool:1:before
"""
ESCALATE_HARNESS = """
harness:card:1:before
harness:await_resolution:1:before
approver:answer:1:before
authority:resolve:1:after
harness:await_resolution:1:after
harness:record-dispatched:2:after ?
authority:check:2:after ?
server:tool:1:before ?
server:tool:1:after ?
harness:record-finished:1:before ?
"""
ESCALATE_SERVER = """
harness:await_resolution:1:before ?
server:check:2:after ?
server:tool:1:before ?
server:tool:1:after ?
"""
ESCALATE_AUTHORITY = """
harness:await_resolution:1:before
authority:resolve:1:before
authority:resolve:1:after
authority:check:2:before
authority:check:2:after
"""
ESCALATE_APPROVER = """
approver:answer:1:before
approver:answer:1:after
"""
DENY_HARNESS = """
harness:card:1:after
harness:record-answered:1:after
authority:settle:1:before
authority:settle:1:after
harness:record-finished:1:before
"""
DENY_SERVER = """
harness:card:1:after
"""
DENY_AUTHORITY = """
authority:settle:1:before
authority:settle:1:after
"""
SCENES = {
    name.lower(): points for name, points in globals().items() if name.startswith(("CONFIRM", "ESCALATE", "DENY"))
}


def play(folder: Path, scene: str) -> list[dict[str, Any]]:
    kind, victim = scene.split("_")
    answer = "deny" if kind == "deny" else "approve"
    tool = "close" if kind == "escalate" else "pay"
    points = [line.split() for line in SCENES[scene].split("\n") if line]
    cases = [{"tool": tool, "answer": answer, "point": point[0], "victim": victim} for point in points]
    done = subprocess.run(
        [sys.executable, SCRIPT, folder],
        input="".join(json.dumps(case) + "\n" for case in cases),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    played = [json.loads(line) for line in done.stdout.splitlines()]
    return [each | {"nobody_knows": len(point) > 1} for each, point in zip(played, points, strict=True)]


def check_what_ran(each: dict[str, Any]) -> None:
    """G1, G3, G4: at most once, never without an approval, and each approval is used up by one run at most."""
    receipts, kind = each["receipts"], "confirmation" if each["tool"] == "pay" else "escalation"
    approved = receipts.get(f"{kind}.resolve {kind}_approved", 0)
    assert each["ran"] <= 1
    assert each["ran"] <= receipts.get("check allow", 0) == each["prompts"].count("consumed") <= approved
    if each["answer"] == "deny":
        assert (each["ran"], approved) == (0, 0)


def check_what_is_said(each: dict[str, Any]) -> None:
    """G12: whatever was killed, the journal of the next program tells the truth."""
    found, after = each["second"]["found"], each["second"]["after"]
    assert found["intact"]
    assert after["intact"]
    for calls, ran in ((found["calls"], each["ran_first"]), (after["calls"], each["ran"])):
        assert len(calls) <= 1
        fate = calls[0]["ran"] if calls else "not run"
        assert fate in {"ran" if ran else "not run", "unknown"}
        assert fate != "unknown" or each["nobody_knows"]
    assert "under way" not in [call["state"] for call in found["calls"]]


def check_what_waits(each: dict[str, Any]) -> None:
    """What was cut off at its question is made once it is resumed; what nobody knows of is never sent again."""
    waited, left = each["second"]["found"]["pending"], each["second"]["after"]["pending"]
    assert [state for state, *_ in left] in ([], ["unknown"])
    assert left == [] or each["nobody_knows"]
    if waited and waited[0][0] != "unknown":
        assert each["ran"] == (1 if each["answer"] == "approve" else 0)
        assert each["second"]["after"]["calls"][0]["state"] in {"allowed", "approved", "denied_by_person"}
    if waited and waited[0][0] == "unknown":
        assert each["second"]["said"][0]["outcome"].startswith("refused: This call was sent")
        assert each["second"]["asked"] == 0


@pytest.mark.parametrize("scene", list(SCENES))
def test_what_is_said_of_a_call_is_true_wherever_a_process_was_killed(tmp_path: Path, scene: str) -> None:
    for each in play(tmp_path / "scenes", scene):
        told = f"{each['victim']} killed at {each['point']}: {json.dumps(each, indent=1)}"
        try:
            assert each["fired"]
            assert (each["first"] is None) is (each["victim"] == "harness")
            check_what_ran(each)
            check_what_is_said(each)
            check_what_waits(each)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{told}") from None
