/** G2: where the gate stands. Whatever is registered, whenever, and however the SDK is used: what was checked runs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallToolRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import {
  AllowlyMCPMiddleware,
  boundResource,
  canonicalJson,
  type CallFacts,
  type CheckInput,
  type GuardableServer,
} from "../src/index.js";
import { ALLOW, CONFIRM, DENY, guard, Scripted } from "./support/checker.js";
import {
  addTools,
  build,
  connect,
  decisionOf,
  empty,
  GIVEN,
  inner,
  KINDS,
  McpServerOf1,
  McpServerOf2,
  MemoryOf1,
  MemoryOf2,
  ServerOf1,
  WAYS,
  type Arguments,
} from "./support/servers.js";

for (const [kind, era] of WAYS) {
  const way = `${kind}, ${era}`;

  test(`a call is blocked in the documented shape, or runs once: ${way}`, async () => {
    const runs: Arguments[] = [];
    const record = (_: string, given: Arguments) => runs.push(given);
    for (const tool of ["send", "measure"]) {
      const checker = new Scripted(CONFIRM, ALLOW);
      const client = await connect(guard(checker).attach(build(kind, record)), era);

      const blocked = await client.call(tool, GIVEN);
      const allowed = await client.call(tool, GIVEN);
      await client.close();

      assert.equal(blocked.isError, true);
      assert.deepEqual(blocked.content.length, 1);
      assert.deepEqual(JSON.parse(blocked.content[0]?.text ?? ""), blocked.structuredContent);
      assert.deepEqual(Object.entries(blocked.structuredContent ?? {}), [
        ["decision", "confirm"],
        ["reason", "scope_requires_user_confirmation"],
        ["confirm_nonce", "n-1"],
        ["confirm_prompt_hint", "send"],
        ["confirm_expires_at", "2026-11-22T10:05:00.000Z"],
      ]);
      assert.equal(blocked._meta?.["allowly-middleware/check"], undefined);
      assert.deepEqual(allowed.structuredContent, tool === "send" ? undefined : { length: 1 });
      assert.equal(checker.asked[0]?.resource, boundResource(tool, canonicalJson(GIVEN)));
    }
    assert.deepEqual(runs, [GIVEN, GIVEN]);
  });

  test(`tools may be registered before and after, also while a client is connected: ${way}`, async () => {
    const runs: unknown[] = [];
    const early = build(kind, (tool) => runs.push(tool));
    guard(new Scripted(DENY)).attach(early);
    const late = guard(new Scripted(DENY)).attach(empty(kind));
    addTools(late, (tool) => runs.push(tool));

    assert.equal(await decisionOf(early, era), "deny");
    assert.equal(await decisionOf(late, era), "deny");
    assert.deepEqual(runs, []);
  });
}

for (const kind of KINDS) {
  test(`the same guard, attached again, asks once: ${kind}`, async () => {
    const checker = new Scripted(ALLOW);
    const mine = guard(checker);
    const server = build(kind, () => undefined);

    assert.equal(mine.attach(mine.attach(server)), server);
    mine.attach(inner(server));

    assert.equal(await decisionOf(server), "ran");
    assert.equal(checker.asked.length, 1);
  });

  test(`another guard on a guarded server is refused: ${kind}`, () => {
    const server = guard(new Scripted(DENY)).attach(build(kind, () => undefined));

    assert.throws(() => guard(new Scripted(ALLOW)).attach(server), /guarded already/);
  });

  test(`a server may be guarded while it serves: ${kind}`, async () => {
    const runs: unknown[] = [];
    const server = build(kind, (tool) => runs.push(tool));
    const client = await connect(server);
    await client.call("send", GIVEN);

    guard(new Scripted(DENY)).attach(server);
    const result = await client.call("send", GIVEN);
    await client.close();

    assert.equal(result.isError, true);
    assert.equal(runs.length, 1);
  });

  test(`the table of handlers cannot be exchanged, nor its reading: ${kind}`, async () => {
    const server = guard(new Scripted(DENY)).attach(build(kind, () => undefined));
    const dispatcher = inner(server) as unknown as { _requestHandlers: Map<string, unknown> };

    assert.throws(() => (dispatcher._requestHandlers = new Map()), TypeError);
    assert.throws(() => (dispatcher._requestHandlers.get = () => undefined), TypeError);
    assert.equal(await decisionOf(server), "deny");
  });

  test(`a handler for whatever else comes is guarded too, whenever it is set: ${kind}`, async () => {
    for (const when of ["before", "after"]) {
      const seen: unknown[] = [];
      const server = empty(kind);
      const set = (): void => {
        inner(server).fallbackRequestHandler = (request: { method: string }) => {
          seen.push(request.method);
          return Promise.resolve({ content: [] });
        };
      };
      if (when === "before") {
        set();
      }
      guard(new Scripted(DENY)).attach(server);
      if (when === "after") {
        set();
      }

      assert.equal(await decisionOf(server), "deny");
      assert.deepEqual(seen, []);
    }
  });

  test(`what is no tool call passes untouched: ${kind}`, async () => {
    const checker = new Scripted(DENY);
    const server = guard(checker).attach(build(kind, () => undefined));
    const client = await connect(server);
    const ask = server instanceof McpServerOf1 || server instanceof ServerOf1 ? MemoryOf1 : MemoryOf2;
    await client.close();
    const [ours, theirs] = ask.createLinkedPair();
    const answers: unknown[] = [];
    ours.onmessage = (message: unknown) => answers.push(message);
    await server.connect(theirs as never);
    await ours.start();
    await ours.send({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });
    await ours.send({ jsonrpc: "2.0", id: 2, method: "ping", params: {} });
    await new Promise(setImmediate);

    assert.equal(answers.length, 2);
    assert.ok(answers.every((answer) => "result" in (answer as object)));
    assert.deepEqual(checker.asked, []);
  });

  test(`a call without a name, or with a list of arguments, is denied without a check: ${kind}`, async () => {
    const checker = new Scripted(ALLOW);
    const runs: unknown[] = [];
    const server = guard(checker).attach(build(kind, (tool) => runs.push(tool)));
    const ask = server instanceof McpServerOf1 || server instanceof ServerOf1 ? MemoryOf1 : MemoryOf2;
    const [ours, theirs] = ask.createLinkedPair();
    const answers: { result?: { structuredContent?: unknown } }[] = [];
    ours.onmessage = (message: unknown) => answers.push(message as (typeof answers)[number]);
    await server.connect(theirs as never);
    await ours.start();
    const broken = [undefined, {}, { name: 7 }, { name: "send", arguments: [] }, { name: "send", arguments: "x" }];
    for (const [id, params] of broken.entries()) {
      await ours.send({ jsonrpc: "2.0", id, method: "tools/call", ...(params && { params }) } as never);
    }
    for (let turn = 0; answers.length < broken.length && turn < 100; turn += 1) {
      await new Promise(setImmediate);
    }

    assert.deepEqual(
      answers.map(({ result }) => result?.structuredContent),
      broken.map(() => ({ decision: "deny", reason: "call_malformed" })),
    );
    assert.deepEqual([checker.asked, runs], [[], []]);
  });

  test(`an argument that the caller changes during the check is not what runs: ${kind}`, async () => {
    const given = { ...GIVEN, amounts: [5] };
    const runs: Arguments[] = [];
    const seen: CallFacts[] = [];
    const checkInputFn = (call: CallFacts): CheckInput => {
      seen.push(call);
      given.text = "999999";
      given.amounts[0] = 999999;
      assert.throws(() => ((call.arguments as Arguments)["text"] = "999999"), TypeError);
      assert.throws(() => ((call.arguments["amounts"] as number[])[0] = 999999), TypeError);
      return {};
    };
    const checker = new Scripted(ALLOW);

    await decisionOf(guard(checker, { checkInputFn }).attach(build(kind, (_, ran) => runs.push(ran))), "legacy", given);

    assert.equal(runs[0]?.["text"], "5");
    assert.equal(checker.asked[0]?.resource, boundResource("send", canonicalJson({ ...GIVEN, amounts: [5] })));
    assert.equal(seen[0]?.tool, "send");
  });

  test(`arguments that are no JSON are denied without a check: ${kind}`, async () => {
    const cycle: Arguments = {};
    cycle["self"] = cycle;
    for (const value of [new Date(0), () => 1, cycle, 1n]) {
      const checker = new Scripted(ALLOW);

      const decision = await decisionOf(
        guard(checker, { bindArguments: false }).attach(build(kind, () => undefined)),
        "legacy",
        { ...GIVEN, value },
      );

      assert.equal(decision, "deny");
      assert.deepEqual(checker.asked, []);
    }
  });

  test(`a call that is cancelled during its check does not run: ${kind}`, async () => {
    const runs: unknown[] = [];
    const cancelling = new AbortController();
    let decide: (value: unknown) => void = () => undefined;
    const said = new Promise((answer) => (decide = answer));
    const checkInputFn = ({ context }: CallFacts): CheckInput => {
      const { signal, mcpReq } = context as { signal?: AbortSignal; mcpReq?: { signal: AbortSignal } };
      (signal ?? mcpReq?.signal)?.addEventListener("abort", () => {
        decide(ALLOW);
      });
      return {};
    };
    const checker = new Scripted(() => {
      cancelling.abort();
      return said;
    });
    const server = guard(checker, { checkInputFn }).attach(build(kind, (tool) => runs.push(tool)));
    const client = await connect(server);

    await assert.rejects(client.call("send", GIVEN, cancelling.signal));
    await said;
    await new Promise(setImmediate);
    await client.close();

    assert.deepEqual(runs, []);
  });

  test(`what the transport has verified reaches the callbacks: ${kind}`, async () => {
    const memory = kind.startsWith("1") ? MemoryOf1 : MemoryOf2;
    const [ours, theirs] = memory.createLinkedPair();
    const seen: CallFacts[] = [];
    const userIdFn = (call: CallFacts): string | undefined => {
      seen.push(call);
      return call.authInfo?.extra?.["sub"] as string | undefined;
    };
    const checker = new Scripted(ALLOW);
    const server = guard(checker, { userIdFn }).attach(build(kind, () => undefined));
    const answered = new Promise((resolve) => (ours.onmessage = resolve));
    await server.connect(theirs as never);
    await ours.start();
    const authInfo = { token: "t", clientId: "c", scopes: [], extra: { sub: "bob" } };
    const params = { name: "send", arguments: GIVEN };

    await ours.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params }, { authInfo } as never);
    await answered;

    assert.equal(checker.asked[0]?.authorizationId, "bob");
    assert.deepEqual([seen[0]?.continues, seen[0]?.requestState], [false, null]);
  });
}

test("a handler that is removed and set again is guarded", async () => {
  const runs: unknown[] = [];
  const server = guard(new Scripted(DENY)).attach(build("1-low", (tool) => runs.push(tool))) as ServerOf1;
  server.removeRequestHandler("tools/call");
  server.setRequestHandler(CallToolRequestSchema, () => {
    runs.push("again");
    return { content: [] };
  });

  assert.equal(await decisionOf(server), "deny");
  assert.deepEqual(runs, []);
});

test("what is no server is refused", () => {
  const mine = guard(new Scripted(DENY));
  for (const wrong of [
    undefined,
    null,
    {},
    [],
    "x",
    7,
    () => undefined,
    { server: {} },
    { server: null },
    new Map(),
    { setRequestHandler() {} },
  ]) {
    assert.throws(() => mine.attach(wrong as GuardableServer), /takes an McpServer or a Server/);
  }
});

test("a server that cannot be guarded is refused, and none is left half guarded", () => {
  for (const kind of KINDS) {
    const frozen = build(kind, () => undefined);
    Object.freeze(inner(frozen));
    assert.throws(() => guard(new Scripted(DENY)).attach(frozen), TypeError);
    assert.throws(() => guard(new Scripted(DENY)).attach(frozen), TypeError);
  }
});

test("a server whose SDK looks its handlers up elsewhere is refused", () => {
  const elsewhere = new Map<string, unknown>();
  const odd: ((request: { method: string }) => unknown)[] = [
    (request) => elsewhere.get(request.method),
    () => undefined,
    () => {
      throw new TypeError("Cannot read private member from an object whose class did not declare it");
    },
  ];
  for (const kind of KINDS) {
    for (const onrequest of odd) {
      const server = build(kind, () => undefined);
      Object.assign(inner(server), { _onrequest: onrequest });

      assert.throws(() => guard(new Scripted(DENY)).attach(server), /looks up handlers in a way that is not known/);
    }
  }
});

test("trying a server out leaves no trace in it", async () => {
  const server = new McpServerOf2({ name: "quiet", version: "1" });
  const errors: unknown[] = [];
  server.server.onerror = (error) => errors.push(error);
  guard(new Scripted(DENY)).attach(server);
  await new Promise(setImmediate);

  assert.deepEqual(errors, []);
  assert.equal(server.isConnected(), false);
});

test("one guard serves many servers", async () => {
  const checker = new Scripted(ALLOW);
  const mine = guard(checker);
  for (const kind of KINDS) {
    assert.equal(await decisionOf(mine.attach(build(kind, () => undefined))), "ran");
  }

  assert.equal(checker.asked.length, KINDS.length);
});

test("a guard without an authority of its own closes", () => {
  const mine = new AllowlyMCPMiddleware({ apiKey: "k", authorizationIdFn: () => null });

  mine.close();
  mine.close();
});
