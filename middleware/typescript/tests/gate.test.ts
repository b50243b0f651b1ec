/** G10: whose call it is, what is asked about it, and that nothing the author's code does opens the gate. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthorityError, BOUND, boundResource, canonicalJson, type CheckInput } from "../src/index.js";
import type { GateOptions } from "../src/gate.js";
import { ALLOW, facts, gateOf, NEVER, Scripted } from "./support/checker.js";

test("both callbacks may be synchronous or not", async () => {
  for (const give of [(userId: string) => userId, (userId: string) => Promise.resolve(userId)]) {
    const checker = new Scripted(ALLOW);

    const verdict = await gateOf(checker, { authorizationIdFn: give, userIdFn: () => give("bob") }).gate.decide(
      facts(),
      NEVER,
    );

    assert.ok(verdict.allowed);
    assert.equal(checker.asked[0]?.authorizationId, "bob");
  }
});

test("a given user callback replaces the argument", async () => {
  const lookedUp: string[] = [];
  const authorizationIdFn = (userId: string): string => String(lookedUp.push(userId));

  await gateOf(new Scripted(ALLOW), { authorizationIdFn, userIdFn: () => "trusted" }).gate.decide(
    facts({ user_id: "victim" }),
    NEVER,
  );

  assert.deepEqual(lookedUp, ["trusted"]);
});

for (const nobody of [null, undefined, "", "  ", 7, ["ada"], { id: "ada" }, true]) {
  test(`a call without a user is denied without a check: ${JSON.stringify(nobody)}`, async () => {
    const lookedUp: string[] = [];
    const authorizationIdFn = (userId: string): string => String(lookedUp.push(userId));
    for (const options of [{ userIdFn: () => nobody as string }, {}]) {
      const checker = new Scripted(ALLOW);

      const verdict = await gateOf(checker, { authorizationIdFn, ...options }).gate.decide(
        facts({ user_id: nobody }),
        NEVER,
      );

      assert.ok(!verdict.allowed);
      assert.deepEqual(verdict.payload, { decision: "deny", reason: "authorization_not_found" });
      assert.deepEqual([checker.asked, lookedUp, verdict.unavailable], [[], [], false]);
    }
  });
}

test("a user without an authorization is denied without a check", async () => {
  for (const nothing of [null, undefined, "", " ", 7]) {
    const checker = new Scripted(ALLOW);

    const verdict = await gateOf(checker, { authorizationIdFn: () => nothing as string }).gate.decide(facts(), NEVER);

    assert.ok(!verdict.allowed);
    assert.equal(verdict.payload["reason"], "authorization_not_found");
    assert.deepEqual(checker.asked, []);
  }
});

class DatabaseError extends Error {}

const BROKEN = {
  throws: () => {
    throw new DatabaseError("db down secret");
  },
  rejects: () => Promise.reject(new DatabaseError("db down secret")),
  "throws no error": () => {
    throw "db down secret";
  },
  "throws what cannot be looked at": () => {
    throw new Proxy(new DatabaseError("db down secret"), {
      get() {
        throw new Error("secret");
      },
    });
  },
  "gives a promise that breaks when it is awaited": () => ({
    then() {
      throw new DatabaseError("db down secret");
    },
  }),
};

for (const [how, broken] of Object.entries(BROKEN)) {
  for (const which of ["userIdFn", "authorizationIdFn", "checkInputFn"] as const) {
    test(`a ${which} that ${how} denies, and says nothing of its text`, async () => {
      const checker = new Scripted(ALLOW);
      const { gate, logged } = gateOf(checker, { [which]: broken });

      const verdict = await gate.decide(facts(), NEVER);

      assert.ok(!verdict.allowed);
      const name = { userIdFn: "user_id", authorizationIdFn: "authorization_id", checkInputFn: "check_input" }[which];
      assert.deepEqual(verdict.payload, { decision: "deny", reason: `${name}_unavailable` });
      assert.equal(verdict.unavailable, true);
      assert.deepEqual(checker.asked, []);
      assert.equal(logged.length, 1);
      assert.doesNotMatch(JSON.stringify([verdict, logged]), /secret/);
    });
  }
}

test("a callback that never answers denies", async () => {
  const userIdFn = (): Promise<string> => new Promise(() => undefined);

  const verdict = await gateOf(new Scripted(ALLOW), { userIdFn, callbackTimeoutMs: 10 }).gate.decide(facts(), NEVER);

  assert.ok(!verdict.allowed);
  assert.equal(verdict.payload["reason"], "user_id_unavailable");
});

test("a log that throws changes nothing", async () => {
  const log = (): never => {
    throw new Error("disk full");
  };

  const verdict = await gateOf(new Scripted(new Error("x")), { log }).gate.decide(facts(), NEVER);

  assert.ok(!verdict.allowed);
  assert.equal(verdict.payload["reason"], "fallback_closed_error");
});

test("a check names the tool and its arguments", async () => {
  const checker = new Scripted(ALLOW);

  await gateOf(checker).gate.decide(facts({ user_id: "ada", n: 5 }), NEVER);

  const resource = boundResource("send", canonicalJson({ n: 5, user_id: "ada" }));
  assert.deepEqual([checker.asked[0]?.scope, checker.asked[0]?.resource], ["send", resource]);
});

test("without binding a check names no resource, and arguments need no canonical form", async () => {
  const checker = new Scripted(ALLOW);

  const verdict = await gateOf(checker, { bindArguments: false }).gate.decide(facts({ user_id: "ada", n: NaN }), NEVER);

  assert.ok(verdict.allowed);
  assert.equal(checker.asked[0]?.resource, null);
});

for (const value of [
  NaN,
  Infinity,
  "\ud800",
  2 ** 53,
  1e21,
  new Date(0),
  new Map(),
  () => 1,
  Symbol("x"),
  1n,
  undefined,
  [,],
]) {
  test(`arguments that are not sure to be what was sent are denied without a check: ${String(value)}`, async () => {
    const checker = new Scripted(ALLOW);

    const verdict = await gateOf(checker).gate.decide(facts({ user_id: "ada", value }), NEVER);

    assert.ok(!verdict.allowed);
    assert.deepEqual(verdict.payload, { decision: "deny", reason: "arguments_not_canonical" });
    assert.deepEqual(checker.asked, []);
  });
}

test("arguments that are too large are denied without a check", async () => {
  const shared = Array<string>(64).fill("x".repeat(1024));
  const checker = new Scripted(ALLOW);

  for (const value of ["\u00fc".repeat(2 ** 21), Array(64).fill(Array(64).fill(shared))]) {
    const verdict = await gateOf(checker).gate.decide(facts({ user_id: "ada", value }), NEVER);

    assert.ok(!verdict.allowed);
    assert.equal(verdict.payload["reason"], "arguments_not_canonical");
  }
  assert.deepEqual(checker.asked, []);
});

test("a check input replaces scope, resource, context and label", async () => {
  const given: CheckInput = { scope: "mail.send", resource: "mailbox:7", context: { amount: 5 }, sessionId: "s-1" };
  for (const checkInputFn of [() => given, () => Promise.resolve(given)]) {
    const checker = new Scripted(ALLOW);

    await gateOf(checker, { checkInputFn }).gate.decide(facts(), NEVER);

    const { idempotencyKey, ...asked } = checker.asked[0] ?? { idempotencyKey: "" };
    assert.match(idempotencyKey, /^[0-9a-f]{32}$/);
    assert.deepEqual(asked, { authorizationId: "ada", ...given, dialect: "scopes" });
  }
});

test("a check input that says nothing of the resource keeps the binding", async () => {
  for (const check of [
    {},
    { scope: "mail.send" },
    { resource: BOUND },
    { scope: null, context: null, sessionId: null },
  ]) {
    const checker = new Scripted(ALLOW);

    await gateOf(checker, { checkInputFn: () => check as CheckInput }).gate.decide(facts(), NEVER);

    assert.match(checker.asked[0]?.resource ?? "", /^mcp:send#sha256:/);
  }
});

const UNUSABLE: unknown[] = [
  null,
  undefined,
  "mail.send",
  [],
  { scope: "" },
  { scope: 5 },
  { resource: ["x"] },
  { resource: " " },
  { sessionId: 7 },
  { context: [1] },
  { context: "x" },
  { context: { x: NaN } },
  { context: { x: 1n } },
  { context: new Map() },
];

for (const [index, check] of UNUSABLE.entries()) {
  test(`an unusable check input is denied without a check: ${String(index)}`, async () => {
    const checker = new Scripted(ALLOW);

    const verdict = await gateOf(checker, { checkInputFn: () => check as CheckInput }).gate.decide(facts(), NEVER);

    assert.ok(!verdict.allowed);
    assert.deepEqual(verdict.payload, { decision: "deny", reason: "check_input_invalid" });
    assert.deepEqual(checker.asked, []);
  });
}

test("every call is checked under a key of its own", async () => {
  const checker = new Scripted(ALLOW);
  const { gate } = gateOf(checker);

  await gate.decide(facts(), NEVER);
  await gate.decide(facts(), NEVER);

  assert.equal(new Set(checker.asked.map((question) => question.idempotencyKey)).size, 2);
});

for (const kind of ["connect", "server"] as const) {
  test(`a check that found the authority restarting (${kind}) is repeated once, under the same key`, async () => {
    const checker = new Scripted(new AuthorityError(kind), ALLOW);

    const verdict = await gateOf(checker).gate.decide(facts(), NEVER);

    assert.ok(verdict.allowed);
    assert.equal(checker.asked.length, 2);
    assert.equal(checker.asked[0]?.idempotencyKey, checker.asked[1]?.idempotencyKey);
  });
}

test("a refusal is not repeated", async () => {
  for (const kind of ["rate_limited", "key_rejected", "malformed", "conflict", "invalid_request", "closed"] as const) {
    const checker = new Scripted(new AuthorityError(kind), ALLOW);

    const verdict = await gateOf(checker).gate.decide(facts(), NEVER);

    assert.ok(!verdict.allowed);
    assert.equal(verdict.payload["reason"], `fallback_closed_${kind === "closed" ? "unreachable" : kind}`);
    assert.equal(checker.asked.length, 1);
  }
});

test("a check that takes too long is given up, and told so", async () => {
  const checker = new Scripted(() => new Promise(() => undefined));

  const verdict = await gateOf(checker, { checkTimeoutMs: 10 }).gate.decide(facts(), NEVER);

  assert.ok(!verdict.allowed);
  assert.equal(verdict.payload["reason"], "fallback_closed_timeout");
  assert.equal(checker.signals[0]?.aborted, true);
});

test("what no authority may say opens nothing", async () => {
  for (const said of [
    undefined,
    null,
    {},
    true,
    "allow",
    { decision: "ALLOW" },
    { decision: ["allow"] },
    { decision: true },
  ]) {
    const verdict = await gateOf(new Scripted(() => said)).gate.decide(facts(), NEVER);

    assert.ok(!verdict.allowed, JSON.stringify(said));
    assert.match(verdict.payload["reason"] ?? "", /^fallback_closed_/);
  }
});

test("a cancelled call gets no verdict, whatever it was waiting for", async () => {
  const forever = (): Promise<never> => new Promise(() => undefined);
  for (const options of [{ userIdFn: forever }, { authorizationIdFn: forever }, { checkInputFn: forever }, {}]) {
    const cancelled = new AbortController();
    const checker = new Scripted(forever);
    const deciding = gateOf(checker, options).gate.decide(facts(), cancelled.signal);

    cancelled.abort(new Error("given up"));

    await assert.rejects(deciding, /given up/);
  }
});

test("a setting that cannot work is refused", () => {
  const checker = new Scripted(ALLOW);
  const wrong: unknown[] = [
    { dialect: "verbs" },
    { checkTimeoutMs: 0 },
    { checkTimeoutMs: NaN },
    { checkTimeoutMs: Infinity },
    { callbackTimeoutMs: -1 },
    { authorizationIdFn: undefined },
    { userIdFn: "ada" },
    { checkInputFn: {} },
  ];
  for (const options of wrong) {
    assert.throws(() => gateOf(checker, options as GateOptions), TypeError, JSON.stringify(options));
  }
});
