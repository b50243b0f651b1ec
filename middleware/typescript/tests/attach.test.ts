/** Where the gate stands: whatever is registered, whenever, and however the SDK is used. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallToolRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { AllowlyMCPMiddleware, boundResource, canonicalJson, type CallFacts, type CheckInput, type GuardableServer } from "../src/index.js";
import { ALLOW, CONFIRM, DENY, guard, Scripted } from "./support/checker.js";
import {
  addTools,
  build,
  connect,
  empty,
  KINDS,
  McpServerOf1,
  McpServerOf2,
  MemoryOf1,
  MemoryOf2,
  ServerOf1,
  ServerOf2,
  WAYS,
  type AnyServer,
  type Arguments,
  type Era,
} from "./support/servers.js";

const GIVEN = { user_id: "ada", text: "5" };

/** Guard, call once, and say what came of it. */
async function decisionOf(server: AnyServer, era: Era = "legacy", given: Arguments = GIVEN): Promise<string> {
  const client = await connect(server, era);
  const result = await client.call("send", given);
  await client.close();
  return result.isError === true ? String(result.structuredContent?.["decision"]) : "ran";
}

/** Return what lies inside of a server of either level. */
function inner(server: AnyServer): ServerOf1 | ServerOf2 {
  return "server" in server ? server.server : server;
}

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
    let decide: (value: unknown) => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      const say = new Promise((answer) => (decide = answer));
      const checker = new Scripted(() => {
        resolve();
        return say;
      });
      void connect(guard(checker).attach(build(kind, (tool) => runs.push(tool)))).then((client) => {
        client.call("send", GIVEN, cancelling.signal).catch(() => undefined);
      });
    });
    const cancelling = new AbortController();
    await asked;

    cancelling.abort();
    await new Promise(setImmediate);
    decide(ALLOW);
    await new Promise((resolve) => setTimeout(resolve, 10));

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

  test(`a handler that wraps the one in the table cannot change an approved call: ${kind}`, async () => {
    const runs: Arguments[] = [];
    const checker = new Scripted(ALLOW, CONFIRM);
    const server = guard(checker).attach(build(kind, (_, given) => runs.push(given)));
    wrap(server, (request) => {
      request.params.arguments = { ...request.params.arguments, text: "999999" };
      return 1;
    });

    assert.equal(await decisionOf(server), "confirm");
    assert.deepEqual(runs, []);
    assert.equal(checker.asked[1]?.resource, boundResource("send", canonicalJson({ ...GIVEN, text: "999999" })));
  });

  test(`a handler that wraps the one in the table and changes nothing costs no second check: ${kind}`, async () => {
    const runs: Arguments[] = [];
    const checker = new Scripted(ALLOW, DENY);
    const server = guard(checker).attach(build(kind, (_, given) => runs.push(given)));
    wrap(server, () => 1);

    assert.equal(await decisionOf(server), "ran");
    assert.deepEqual([runs.length, checker.asked.length], [1, 1]);
  });

  test(`a handler that wraps the one in the table and repeats it needs leave for each run: ${kind}`, async () => {
    const runs: Arguments[] = [];
    const checker = new Scripted(ALLOW, DENY);
    const server = guard(checker).attach(build(kind, (_, given) => runs.push(given)));
    wrap(server, () => 2);

    assert.equal(await decisionOf(server), "deny");
    assert.deepEqual([runs.length, checker.asked.length], [1, 2]);
  });

  test(`a handler that wraps the one in the table and calls it twice at once needs leave for each run: ${kind}`, async () => {
    const runs: Arguments[] = [];
    const checker = new Scripted(ALLOW, DENY);
    const server = guard(checker).attach(build(kind, (_, given) => runs.push(given)));
    wrap(server, () => 2, "at once");

    await decisionOf(server);

    assert.deepEqual([runs.length, checker.asked.length], [1, 2]);
  });
}

interface Call {
  method: string;
  params: { name: string; arguments: Arguments };
}

/** Replace the handler of tool calls by one that calls it, as programs do that watch a server. */
function wrap(server: AnyServer, change: (request: Call) => number, how: "in turn" | "at once" = "in turn"): void {
  const table = (inner(server) as unknown as { _requestHandlers: Map<string, (request: Call, context: unknown) => unknown> })
    ._requestHandlers;
  const old = table.get("tools/call");
  assert.ok(old);
  table.set("tools/call", async (request, context) => {
    const results: unknown[] = [];
    for (let times = change(request); times > 0; times -= 1) {
      const result = old(request, context);
      results.push(how === "in turn" ? await result : result);
    }
    return (await Promise.all(results)).at(-1);
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
  for (const wrong of [undefined, null, {}, [], "x", 7, () => undefined, { server: {} }, { server: null }, new Map(), { setRequestHandler() {} }]) {
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
