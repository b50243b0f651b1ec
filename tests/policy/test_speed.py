"""What a decision costs does not depend on the number of rules."""

import gc
import time

from allowly_middleware.pipeline import CallFacts, Operation, Subject
from allowly_middleware.policy import Policy, allow, confirm, deny

ADA = Subject("ada", frozenset({"support"}))
CALLS = 300
ROUNDS = 7


def policy_of(count: int) -> Policy:
    """Return a policy of all kinds of patterns, of which each call meets a few however many there are."""
    shapes = [
        lambda at: allow(f"server{at}.tool_{at}"),
        lambda at: confirm(f"server{at}.*"),
        lambda at: deny(f"*.tool_{at}"),
        lambda at: deny(f"server{at}.drop_*_{at}"),
        lambda at: confirm(f"*.*_word{at}_*", when={"n": {"greater_than": at}}),
        lambda at: allow(f"server.read_{at}_*", subject={"groups": ["support"]}),
    ]
    rules = [shapes[at % len(shapes)](at) for at in range(count - 2)]
    return Policy("p", [allow("server.*"), confirm("server.read_*"), *rules])


def seconds(policy: Policy) -> float:
    facts = [CallFacts(Operation.TOOL_CALL, "server", f"read_{at}_pages", {}, subject=ADA) for at in range(CALLS)]
    policy.evaluate(facts[0])
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for one in facts:
            policy.evaluate(one)
        best = min(best, time.process_time() - started)
    return best


def test_a_thousand_rules_cost_at_most_three_times_what_ten_cost() -> None:
    few, many = policy_of(10), policy_of(1000)
    gc.collect()
    gc.disable()
    try:
        ratio = seconds(many) / seconds(few)
    finally:
        gc.enable()

    assert ratio < 3
