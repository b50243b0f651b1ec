/** Legs of one call: the table of open places, against a clock of the test's own, and what a gate does with it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { AuthorityError } from "../src/index.js";
import { CONTINUATION_MS, Continuations, MAX_CONTINUATIONS } from "../src/continuations.js";
import { ALLOW, CONFIRM, DENY, facts, gateOf, NEVER, Scripted } from "./support/checker.js";

test("a place is taken once", () => {
  const open = new Continuations();
  open.put("leg", "key");

  assert.deepEqual([open.take("leg"), open.take("leg"), open.take("other")], ["key", undefined, undefined]);
});

test("equal legs keep their places apart, the oldest first", () => {
  const open = new Continuations();
  open.put("leg", "one");
  open.put("leg", "two");

  assert.deepEqual([open.take("leg"), open.take("leg"), open.take("leg")], ["one", "two", undefined]);
});

test("a place that is too old is none, and a younger one behind it is", () => {
  let now = 0;
  const open = new Continuations(() => now);
  open.put("leg", "old");
  now = CONTINUATION_MS - 1;
  open.put("leg", "young");
  now = CONTINUATION_MS;

  assert.deepEqual([open.take("leg"), open.take("leg")], ["young", undefined]);
});

test("beyond the limit the oldest is forgotten", () => {
  const open = new Continuations();
  for (let index = 0; index <= MAX_CONTINUATIONS; index += 1) {
    open.put(String(index), "key");
  }

  assert.deepEqual([open.take("0"), open.take("1"), open.take(String(MAX_CONTINUATIONS))], [undefined, "key", "key"]);
});

test("a leg that follows is checked under the key of the one before, once", async () => {
  const checker = new Scripted(ALLOW);
  const { gate } = gateOf(checker);
  const next = facts({ user_id: "ada" }, { continues: true, requestState: "asked" });
  const first = await gate.decide(facts(), NEVER);
  assert.ok(first.allowed);
  gate.suspended(first.grant, "asked");

  await gate.decide(next, NEVER);
  await gate.decide(next, NEVER);

  const [one, two, three] = checker.asked.map((question) => question.idempotencyKey);
  assert.equal(two, one);
  assert.notEqual(three, one);
});

test("a leg of another call, user or state, and one that does not continue, has its own key", async () => {
  const checker = new Scripted(ALLOW);
  const { gate } = gateOf(checker);
  const first = await gate.decide(facts(), NEVER);
  assert.ok(first.allowed);
  gate.suspended(first.grant, "asked");

  for (const other of [
    facts({ user_id: "ada", n: 1 }, { continues: true, requestState: "asked" }),
    facts({ user_id: "eve" }, { continues: true, requestState: "asked" }),
    facts({ user_id: "ada" }, { continues: true, requestState: "invented" }),
    facts({ user_id: "ada" }, { continues: true, requestState: null }),
    facts({ user_id: "ada" }, { continues: true, requestState: "asked", tool: "other" }),
    facts(),
  ]) {
    await gate.decide(other, NEVER);
  }

  assert.equal(new Set(checker.asked.map((question) => question.idempotencyKey)).size, checker.asked.length);
});

test("a leg that meets an outage, or is cancelled, keeps its place; one that is decided does not", async () => {
  for (const [said, keeps] of [
    [new AuthorityError("rate_limited"), true],
    [() => sleep(5000, undefined, { ref: false }), true],
    [DENY, false],
    [CONFIRM, false],
  ] as const) {
    const checker = new Scripted(ALLOW, said, ALLOW);
    const { gate } = gateOf(checker);
    const next = facts({ user_id: "ada" }, { continues: true, requestState: "asked" });
    const first = await gate.decide(facts(), NEVER);
    assert.ok(first.allowed);
    gate.suspended(first.grant, "asked");
    const cancelled = new AbortController();
    const second = gate.decide(next, cancelled.signal).catch(() => undefined);
    if (typeof said === "function") {
      await sleep(1);
      cancelled.abort();
    }
    await second;

    await gate.decide(next, NEVER);

    assert.equal(checker.asked[2]?.idempotencyKey === first.grant.key, keeps);
  }
});
