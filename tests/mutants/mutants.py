"""Breaks the code on purpose, one small patch at a time, and demands that the tests notice.

    python tests/mutants/mutants.py            all mutants, as a table
    python tests/mutants/mutants.py nonce id   those whose name or guarantee holds one of the words

Each mutant is applied to a copy of the packages in a temporary folder that stands first on the path of
a pytest process. Every group of tests that a mutant names must fail on it: the step tests may not hide
that a property is blind, nor the table that the flow is wrong. A patch whose old text is not there
exactly once is an error, as is a test run that breaks instead of failing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("harness", "middleware", "demos")
SECONDS = 300
"""How long one group of tests may take on one mutant; longer counts as broken."""

GROUPS: dict[str, list[str]] = {
    "property": ["tests/protocol/test_conversations.py", "-k", "no_conversation_breaks"],
    "table": ["tests/protocol/test_conversations.py", "-k", "table_never_stands"],
    "steps": ["tests/protocol/test_flow.py"],
    "wire": ["tests/protocol/test_wire.py"],
    "lifecycle": ["tests/protocol/test_lifecycle.py"],
    "binding": ["tests/protocol/test_binding.py", "tests/protocol/test_models.py"],
    "driver": ["tests/test_driver.py"],
    "session": ["tests/session/test_call_tool.py"],
    "facts": ["tests/session/test_request_facts.py"],
    "elsewhere": ["tests/session/test_elsewhere.py"],
    "inputs": ["tests/session/test_server_inputs.py"],
    "legs": ["tests/session/test_legs.py"],
    "rules": ["tests/grants/test_rules.py"],
    "grants kept": ["tests/grants/test_store.py", "-k", "not two_programs and not more_grants"],
    "grants": ["tests/grants/test_remembering.py"],
    "offers": ["tests/grants/test_chat_offer.py"],
    "facts of questions": ["tests/journal/test_facts.py"],
    "pending": ["tests/journal/test_pending.py"],
    "resuming": ["tests/session/test_resuming.py"],
    "waiting": ["tests/session/test_waiting_well.py"],
    "desk": ["tests/session/test_desk.py"],
    "decisions": ["tests/engine/test_differential.py"],
    "histories": ["tests/engine/test_histories.py"],
    "decision properties": ["tests/engine/test_properties.py"],
    "conditions": ["tests/engine/test_conditions.py"],
    "policies": ["tests/engine/test_policies.py"],
    "patterns": ["tests/engine/test_patterns.py"],
    "budgets": ["tests/engine/test_budgets.py"],
    "principals": ["tests/engine/test_principals.py"],
    "rights": ["tests/authority/test_principals.py", "-k", "sqlite"],
    "keys": ["tests/authority/test_keys.py", "-k", "not makes_no_sense and not postgresql"],
    "explanations": ["tests/authority/test_explain.py", "-k", "not_used_up or whose_key"],
    "stored": ["tests/engine/test_stored.py"],
    "creation": ["tests/engine/test_creation.py"],
    "votes": [
        "tests/authority/test_votes_of_several.py",
        "-k",
        "sqlite and (person or as_many or asks_after or two_people)",
    ],
    "calls shown": ["tests/authority/test_calls_shown.py", "-k", "another_call or may_not_see"],
    "what waits": ["tests/authority/test_prompt_lists.py", "-k", "approver or somebody_else or became_of_them"],
    "approver's inbox": ["tests/inbox/test_inbox.py"],
    "approver's list": ["tests/inbox/test_listing.py"],
    "approver's screen": ["tests/inbox/test_inbox_screen.py", "-k", "goes_inert"],
    "streams": [
        "tests/authority/test_prompt_stream.py",
        *("-k", "approver or revoked or runs_out or committed_late or large_snapshot"),
    ],
    "page requests": ["tests/authority/page/test_requests.py"],
    "page in a browser": [
        "tests/authority/page/test_deciding.py",
        *("-k", "before_all or half_a_second or script_that or aimed or typed_word or not_the_one or lost_reply"),
    ],
    "page drawn in a browser": ["tests/authority/page/test_rendering.py", "-k", "framed or hidden_or_shown"],
    "page connected in a browser": ["tests/authority/page/test_live.py", "-k", "lost_connection"],
    "remembered checks": ["tests/authority/test_plain_checks.py", "-k", "sqlite"],
    "receipts": [
        "tests/authority/test_receipts.py",
        "-k",
        "every_decision or rotation or public_keys or stop_no_check",
    ],
    "bundles": ["tests/authority/test_bundles.py", "-k", "lists_of_the_request or archived"],
    "certificates": ["tests/authority/test_tls.py", "-k", "unusable_pair or may_stand_in_host"],
    "sockets": ["tests/authority/test_unix_socket.py", "-k", "others_may_put or live_one"],
    "authority logs": ["tests/authority/test_logs.py", "-k", "each_request or inside or libraries or of_our_own"],
    "metrics": ["tests/authority/test_metrics.py", "-k", "no_label or need_a_key or counted_by_route"],
    "readiness": ["tests/authority/test_operation.py", "-k", "not_ready"],
    "refusals": ["tests/authority/test_refusals.py"],
    "stuck clients": ["tests/authority/test_operation.py", "-k", "says_nothing or does_not_read"],
    "counting in memory": ["tests/limits/test_against_a_model.py", "-k", "memory"],
    "counting in Redis": ["tests/limits/test_against_a_model.py", "-k", "redis"],
    "limits": ["tests/limits/test_limits.py"],
    "store in memory": ["tests/limits/test_memory.py"],
    "store in Redis": ["tests/limits/test_redis.py"],
    "observers": ["tests/observability/test_observers.py"],
    "redaction": ["tests/observability/test_redaction.py"],
    "logs": ["tests/observability/test_logs.py"],
    "telemetry": ["tests/observability/test_telemetry.py"],
    "secret shapes": ["tests/display/test_secret_vectors.py"],
    "no secret": ["tests/observability/test_no_secret_comes_out.py"],
    "policy decisions": ["tests/policy/test_deciding.py"],
    "policy rules": ["tests/policy/test_policies.py"],
    "policy conditions": ["tests/policy/test_conditions.py"],
    "policy patterns": ["tests/policy/test_patterns.py"],
    "policy files": ["tests/policy/test_files.py"],
    "pipeline chain": ["tests/pipeline/test_chain.py"],
    "placement": ["tests/middleware/test_placement.py", "-k", "renamed or zero"],
    "pipeline arguments": ["tests/pipeline/test_arguments.py"],
    "pipeline approval": ["tests/pipeline/test_approval.py"],
    "pipeline gate": ["tests/pipeline/test_gate.py"],
    "pipeline policy": ["tests/pipeline/test_policy.py"],
    "pipeline identity": ["tests/pipeline/test_identity.py"],
    "pipeline events": ["tests/pipeline/test_events.py"],
    "pipeline ways round": ["tests/pipeline/test_ways_round.py"],
    "pipeline spellings": ["tests/pipeline/test_spellings.py"],
    "guard": ["tests/guarding/test_deciding.py"],
    "guard attacks": ["tests/guarding/test_attacks.py"],
    "guard authorizations": ["tests/guarding/test_authorizations.py"],
    "guard opening": ["tests/guarding/test_opening.py"],
    "guard proposals": ["tests/guarding/test_proposing.py"],
    "guard definitions": ["tests/guarding/test_definitions.py"],
}
"""The tests, by what a mutant may name to be killed by."""

QUICK = """
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
"""
"""No shrinking, no memory of earlier failures, the same examples every time."""


@dataclass(frozen=True)
class Patch:
    """Replaces a text that stands in a file exactly once."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A seeded bug: which guarantee it breaks, how, and which groups of tests must each notice it."""

    name: str
    guarantee: str
    patches: tuple[Patch, ...]
    killers: tuple[str, ...]


class DoesNotApply(Exception):
    """The text to be replaced is not there exactly once, or the patch names what does not exist."""


def applied(mutant: Mutant, folder: Path) -> None:
    """Copy the packages into `folder` and break them.

    Raises:
        DoesNotApply: The code has changed, or the patch is no sound Python; the mutant must be written anew.
    """
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for patch in mutant.patches:
        path = folder / patch.path
        text = path.read_text(encoding="utf-8")
        if text.count(patch.old) != 1:
            raise DoesNotApply(f"{patch.path} holds {text.count(patch.old)} times: {patch.old!r}")
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
    changed = sorted({str(folder / patch.path) for patch in mutant.patches if patch.path.endswith(".py")})
    # A name that no longer exists would be "killed" by any test that runs the line.
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet", "--select", "E9,F821,F823"]
    found = subprocess.run([*lint, *changed], capture_output=True, text=True, check=False) if changed else None
    if found is not None and found.returncode:
        raise DoesNotApply(f"the patched code is no sound Python: {found.stdout}")
    (folder / "mutants_profile.py").write_text(QUICK, encoding="utf-8")


def verdict(folder: Path, group: str) -> str:
    """Run a group of tests on the copy: "killed", "survived", or what broke."""
    path = os.pathsep.join([str(folder), *(str(folder / name) for name in FOLDERS)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    environment |= {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-P", "-c", START, str(folder), *GROUPS[group], "-x", "-q", "--no-header", "--tb=line"]
    command += ["-p", "no:cacheprovider", "-p", "mutants_profile", "--hypothesis-profile", "mutants"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "no end"
    if done.returncode in {0, 1}:
        return "killed" if done.returncode else "survived"
    tail = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-1:]
    return f"broken: {tail}"


START = """
import sys
import pytest
import allowly_authority.binding, allowly_harness
for module in (allowly_authority.binding, allowly_harness):
    if not module.__file__.startswith(sys.argv[1]):
        sys.exit(f"{module.__file__} is not the copy")
raise SystemExit(pytest.main(sys.argv[2:]))
"""
"""Makes sure that what is tested is the copy, then runs pytest."""


def tried(mutant: Mutant, groups: Iterable[str]) -> dict[str, str]:
    """Apply a mutant and return the verdict of each group."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        try:
            applied(mutant, folder)
        except DoesNotApply as error:
            return {"patch": str(error)}
        return {group: verdict(folder, group) for group in groups}


def main(words: list[str]) -> int:
    """Run the mutants, print the table and return the exit code: 0 if every one was killed as demanded."""
    import seeded_approver
    import seeded_asking
    import seeded_edges
    import seeded_engine
    import seeded_flow
    import seeded_grants
    import seeded_guard
    import seeded_inbox
    import seeded_limits
    import seeded_operation
    import seeded_page
    import seeded_pending
    import seeded_pipeline
    import seeded_policy
    import seeded_principals
    import seeded_screen
    import seeded_votes

    seeded = (
        seeded_flow,
        seeded_edges,
        seeded_asking,
        seeded_screen,
        seeded_engine,
        seeded_principals,
        seeded_policy,
        seeded_pipeline,
        seeded_limits,
        seeded_inbox,
        seeded_approver,
        seeded_operation,
        seeded_page,
        seeded_pending,
        seeded_grants,
        seeded_guard,
        seeded_votes,
    )
    everything = [mutant for module in seeded for mutant in module.MUTANTS]
    chosen = [m for m in everything if not words or any(word in f"{m.name} {m.guarantee}" for word in words)]
    used = sorted({killer for mutant in chosen for killer in mutant.killers})
    healthy = tried(Mutant("nothing broken", "", (), ()), used)
    failed = [group for group, said in healthy.items() if said != "survived"]
    if failed:
        print(f"without any mutant, these do not pass: {healthy}")
        return 2
    width = max(len(mutant.name) for mutant in chosen)
    bad = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for mutant, said in zip(chosen, pool.map(lambda m: tried(m, m.killers), chosen), strict=True):
            good = set(said.values()) == {"killed"}
            bad += not good
            shown = ", ".join(f"{group} {word}" for group, word in said.items())
            print(f"{'ok  ' if good else 'FAIL'} {mutant.name:<{width}}  {mutant.guarantee:<8} {shown}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} mutants killed by every group of tests that must notice them")
    return 1 if bad else 0


if __name__ == "__main__":
    # The modules of seeded bugs add groups to the module of this name, which is not the program that was started.
    from mutants import main as run

    raise SystemExit(run(sys.argv[1:]))
