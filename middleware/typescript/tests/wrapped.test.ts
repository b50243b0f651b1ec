/** G2, G4: programs may wrap the handler of tool calls while they watch a server. The gate looks again behind them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { boundResource, canonicalJson } from "../src/index.js";
import { ALLOW, CONFIRM, DENY, guard, Scripted } from "./support/checker.js";
import { build, decisionOf, GIVEN, inner, KINDS, type AnyServer, type Arguments } from "./support/servers.js";

interface Call {
  method: string;
  params: { name: string; arguments: Arguments };
}

/** Replace the handler of tool calls by one that calls it, as programs do that watch a server. */
function wrap(server: AnyServer, change: (request: Call) => number, how: "in turn" | "at once" = "in turn"): void {
  const table = (
    inner(server) as unknown as { _requestHandlers: Map<string, (request: Call, context: unknown) => unknown> }
  )._requestHandlers;
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

for (const kind of KINDS) {
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

  test(`a handler that wraps the one in the table and calls it twice at once needs leave twice: ${kind}`, async () => {
    const runs: Arguments[] = [];
    const checker = new Scripted(ALLOW, DENY);
    const server = guard(checker).attach(build(kind, (_, given) => runs.push(given)));
    wrap(server, () => 2, "at once");

    await decisionOf(server);

    assert.deepEqual([runs.length, checker.asked.length], [1, 2]);
  });
}
