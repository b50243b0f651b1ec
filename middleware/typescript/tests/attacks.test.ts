/** G1, G2, G13: what hostile callers of a guarded server try. What was checked is what runs, or nothing runs. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { boundResource, canonicalJson, type AllowlyMCPMiddlewareOptions, type CheckInput } from "../src/index.js";
import { allow, faulty, http } from "./support/faulty.js";
import { ALLOW, DENY, facts, gateOf, guard, NEVER, Scripted } from "./support/checker.js";
import {
  build,
  empty,
  GIVEN,
  inner,
  KINDS,
  McpServerOf1,
  MemoryOf1,
  MemoryOf2,
  ServerOf1,
  ServerOf2,
  type AnyServer,
  type Arguments,
  type Kind,
} from "./support/servers.js";

interface Message {
  jsonrpc: string;
  id: number;
  method: string;
  params: Record<string, unknown>;
}

interface Answer {
  result?: { isError?: boolean; structuredContent?: Record<string, unknown> };
  error?: { message: string };
}

/** Hands messages to a server as they are: a caller in the same process keeps its hands on them. */
async function wire(server: AnyServer): Promise<(message: Message) => Promise<Answer>> {
  const memory = server instanceof McpServerOf1 || server instanceof ServerOf1 ? MemoryOf1 : MemoryOf2;
  const [ours, theirs] = memory.createLinkedPair();
  await server.connect(theirs as never);
  await ours.start();
  return async (message) => {
    const answered = new Promise<unknown>((resolve) => (ours.onmessage = resolve));
    await ours.send(message as never);
    return (await answered) as Answer;
  };
}

function call(given: unknown = GIVEN): Message {
  return { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "send", arguments: given } };
}

/** Return what a client writes on the wire, as a server reads it. */
function read(json: string): Message {
  return JSON.parse(`{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ${json}}`) as Message;
}

interface Sent {
  answer: Answer;
  ran: [string, Arguments][];
  checker: Scripted;
}

async function send(
  kind: Kind,
  message: Message,
  during: () => void = () => undefined,
  options: Partial<AllowlyMCPMiddlewareOptions> = {},
): Promise<Sent> {
  const ran: [string, Arguments][] = [];
  const checker = new Scripted(async () => {
    during();
    await new Promise(setImmediate);
    return ALLOW;
  });
  const server = guard(checker, { userIdFn: () => "ada", ...options }).attach(
    build(kind, (tool, given) => ran.push([tool, given])),
  );
  return { answer: await (await wire(server))(message), ran, checker };
}

for (const kind of KINDS) {
  test(`a caller that names another tool during the check runs the one that was checked: ${kind}`, async () => {
    const message = call();

    const { ran, checker } = await send(kind, message, () => (message.params["name"] = "measure"));

    assert.deepEqual(ran, [["send", GIVEN]]);
    assert.equal(checker.asked[0]?.scope, "send");
  });

  test(`a caller that brings its arguments during the check runs without them: ${kind}`, async () => {
    const message = call();
    delete message.params["arguments"];

    const { ran, checker } = await send(kind, message, () => (message.params["arguments"] = GIVEN));

    assert.ok(ran.every(([, given]) => given["text"] === undefined)); // servers that validate run nothing at all
    assert.equal(checker.asked[0]?.resource, boundResource("send", "{}"));
  });

  test(`a caller that brings other parameters during the check runs those that were checked: ${kind}`, async () => {
    const message = call();

    const { ran } = await send(kind, message, () => {
      message.params = { name: "measure", arguments: { ...GIVEN, text: "999999" } };
    });

    assert.deepEqual(ran, [["send", GIVEN]]);
  });

  test(`a caller that renames its request while it is on its way does not pass the gate: ${kind}`, async () => {
    const ran: unknown[] = [];
    const server = guard(new Scripted(DENY)).attach(build(kind, (tool) => ran.push(tool)));
    const say = await wire(server);
    const message = call();

    const answered = say(message);
    message.method = "tools/list";
    await answered;

    assert.deepEqual(ran, []);
  });

  test(`names that mean something to JavaScript are arguments like any other: ${kind}`, async () => {
    const hostile = '"__proto__": {"isAdmin": true, "user_id": "root"}, "constructor": {"prototype": {"x": 1}}';
    const json = `{"user_id": "ada", "text": "5", ${hostile}}`;
    const message = read(`{"name": "send", "arguments": ${json}}`);

    const { ran, checker } = await send(kind, message, undefined, { userIdFn: undefined });

    assert.equal(checker.asked[0]?.authorizationId, "ada");
    assert.equal(checker.asked[0].resource, boundResource("send", canonicalJson(JSON.parse(json))));
    for (const [, given] of ran) {
      assert.equal(Object.getPrototypeOf(given), Object.prototype);
      assert.equal(given["isAdmin"], undefined);
    }
    assert.equal(({} as Arguments)["isAdmin"] ?? ({} as Arguments)["x"], undefined);
  });

  test(`a user that stands in the prototype alone is nobody: ${kind}`, async () => {
    const message = read('{"name": "send", "arguments": {"text": "5", "__proto__": {"user_id": "root"}}}');

    const { answer, ran, checker } = await send(kind, message, undefined, { userIdFn: undefined });

    assert.deepEqual(answer.result?.structuredContent, { decision: "deny", reason: "authorization_not_found" });
    assert.deepEqual([ran, checker.asked], [[], []]);
  });

  test(`of two equal names the one that is checked runs: ${kind}`, async () => {
    const twice = '{"user_id": "ada", "text": "1", "text": "2"}';
    const message = read(`{"name": "measure", "name": "send", "arguments": ${twice}}`);

    const { ran, checker } = await send(kind, message);

    assert.deepEqual(ran, [["send", { user_id: "ada", text: "2" }]]);
    assert.equal(checker.asked[0]?.resource, boundResource("send", canonicalJson({ user_id: "ada", text: "2" })));
  });

  for (const number of ["9007199254740993", "-9007199254740992", "1e21", "1e400", "123456789012345678901234567890"]) {
    test(`a number that cannot be told to the digit is denied without a check: ${number}, ${kind}`, async () => {
      const message = read(`{"name": "send", "arguments": {"user_id": "ada", "text": "5", "a": [{"n": ${number}}]}}`);

      const { answer, ran, checker } = await send(kind, message);

      assert.deepEqual(answer.result?.structuredContent, { decision: "deny", reason: "arguments_not_canonical" });
      assert.deepEqual([ran, checker.asked], [[], []]);
    });
  }

  test(`half a surrogate, and nesting without an end, are denied without a check: ${kind}`, async () => {
    for (const value of ['"\\ud800"', "[".repeat(65) + "]".repeat(65), "[".repeat(50_000) + "]".repeat(50_000)]) {
      const message = read(`{"name": "send", "arguments": {"user_id": "ada", "text": "5", "value": ${value}}}`);

      const { answer, ran, checker } = await send(kind, message);

      assert.equal(answer.result?.structuredContent?.["reason"], "arguments_not_canonical");
      assert.deepEqual([ran, checker.asked], [[], []]);
    }
  });
}

for (const kind of ["1-low", "2-low"] as const) {
  test(`a zero with a sign runs as the zero that was checked: ${kind}`, async () => {
    const message = read('{"name": "send", "arguments": {"n": -0, "list": [-0.0]}}');

    const { ran, checker } = await send(kind, message);

    assert.equal(checker.asked[0]?.resource, boundResource("send", '{"list":[0],"n":0}'));
    const [[, given] = ["", {}]] = ran;
    assert.ok(Object.is(given["n"], 0) && Object.is((given["list"] as number[])[0], 0));
  });

  test(`a tool with the name of a prototype's member is a tool like any other: ${kind}`, async () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const message = call();
      message.params["name"] = name;

      const { ran, checker } = await send(kind, message);

      assert.equal(checker.asked[0]?.scope, name);
      assert.deepEqual(
        ran.map(([tool]) => tool),
        [name],
      );
    }
  });

  test(`a method that is spelt in another way is no tool call, and runs none: ${kind}`, async () => {
    const ran: unknown[] = [];
    const server = empty(kind);
    const low = inner(server);
    if (low instanceof ServerOf2) {
      low.setRequestHandler("tools/call", () => ({ content: [], isError: ran.push(1) === 0 }));
    }
    const say = await wire(guard(new Scripted(DENY)).attach(server));

    for (const method of ["Tools/Call", "tools/call ", "tools//call", "tools/call\u0000", "__proto__", "constructor"]) {
      const answer = await say({ ...call(), method });
      assert.ok(answer.error);
    }

    assert.deepEqual(ran, []);
  });
}

test("what other code does to the prototype of all objects loosens nothing", async () => {
  const checker = new Scripted(ALLOW);
  const { gate } = gateOf(checker, { checkInputFn: (): CheckInput => ({}) });
  const plain = gateOf(checker).gate;
  const polluted = { scope: "harmless", resource: null, bindArguments: false, user_id: "root", sessionId: "s" };
  const everyone = Object.prototype as Record<string, unknown>;
  Object.assign(everyone, polluted);
  try {
    const verdict = await plain.decide(facts({ text: "5" }), NEVER);
    await gate.decide(facts(), NEVER);
    await plain.decide(facts(), NEVER);

    assert.ok(!verdict.allowed);
  } finally {
    for (const name of Object.keys(polluted)) {
      Reflect.deleteProperty(everyone, name);
    }
  }
  const resource = boundResource("send", canonicalJson({ user_id: "ada" }));
  assert.deepEqual(
    checker.asked.map((question) => [question.scope, question.resource, question.sessionId]),
    [
      ["send", resource, null],
      ["send", resource, null],
    ],
  );
});

test("each call of a batch is decided by itself, also where two have one id", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "allowly-batch-"));
  t.after(() => rm(folder, { recursive: true }));
  const authority = await faulty(http("200 OK", allow({}, "ada")), http("200 OK", allow({ decision: "deny" }, "ada")));
  t.after(() => {
    authority.close();
  });
  const program = fileURLToPath(new URL("support/program.js", import.meta.url));
  const env = { PATH: process.env["PATH"] ?? "", ALLOWLY_KEY: "allowly_test_key", ALLOWLY_BASE_URL: authority.url };
  const server = spawn(process.execPath, [program, "1-low", "http", join(folder, "runs")], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => server.kill());
  const [url] = (await once(createInterface(server.stdout), "line")) as [string];
  const headers = { "Content-Type": "application/json", Accept: "application/json, text/event-stream" };

  const body = JSON.stringify([call(), call(), { ...call(), id: 2 }]);
  const text = await (await fetch(url, { method: "POST", headers, body })).text();

  const runs = (await readFile(join(folder, "runs"), "utf8")).trim().split("\n");
  assert.deepEqual([authority.received.length, runs.length], [3, 1]);
  assert.equal(text.split('"isError":true').length - 1, 2);
});
