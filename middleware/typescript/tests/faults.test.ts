/** G7, G10: whatever the authority does wrong, the tool does not run and the client hears why; no secret shows. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";

import {
  AllowlyMCPMiddleware,
  AuthorityClient,
  CHECK_META_KEY,
  type AllowlyMCPMiddlewareOptions,
} from "../src/index.js";
import { MAX_REPLY_BYTES } from "../src/exchange.js";
import { allow, closedPort, faulty, http, type Answer } from "./support/faulty.js";
import { build, connect, KINDS, type Arguments, type Kind, type Result } from "./support/servers.js";

const KEY = "allowly_test_key";

interface Outcome {
  result: Result;
  runs: Arguments[];
  logged: string[];
}

async function send(
  baseUrl: string,
  kind: Kind = "2-mcp",
  options: Partial<AllowlyMCPMiddlewareOptions> = {},
): Promise<Outcome> {
  const [runs, logged]: [Arguments[], string[]] = [[], []];
  const guard = new AllowlyMCPMiddleware({
    apiKey: KEY,
    baseUrl,
    authorizationIdFn: (userId) => `auth_${userId}`,
    checkTimeoutMs: 30_000,
    log: (message) => void logged.push(message),
    ...options,
  });
  const client = await connect(guard.attach(build(kind, (_, given) => runs.push(given))));
  const result = await client.call("send", { user_id: "ada", text: "5" });
  await client.close();
  guard.close();
  return { result, runs, logged };
}

function reasonOf({ result, runs, logged }: Outcome): string {
  assert.deepEqual(runs, []);
  assert.equal(result.isError, true);
  const payload = JSON.parse(result.content[0]?.text ?? "") as Record<string, unknown>;
  assert.deepEqual(result.structuredContent, payload);
  assert.deepEqual(Object.keys(payload), ["decision", "reason"]);
  assert.deepEqual(result._meta?.[CHECK_META_KEY], { phase: "before_tool", unavailable: true });
  assert.doesNotMatch(JSON.stringify([result, logged]), /allowly_test_key|secret/);
  return String(payload["reason"]);
}

const large = allow({ more: "x".repeat(MAX_REPLY_BYTES) });
const bare = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n`;

const FAULTS: Record<string, [Answer, string]> = {
  "no answer": ["", "unreachable"],
  "half an answer": [http("200 OK", allow()).slice(0, -9), "unreachable"],
  "not HTTP": ["SSH-2.0-OpenSSH_9.6\r\n", "malformed"],
  "401": [http("401 Unauthorized", `{"error":{"message":"key ${KEY}"}}`), "key_rejected"],
  "403": [http("403 Forbidden"), "key_rejected"],
  "409": [http("409 Conflict"), "conflict"],
  "410": [http("410 Gone"), "error"],
  "422": [http("422 Unprocessable Entity"), "invalid_request"],
  "429": [http("429 Too Many Requests", "{}", "application/json", "Retry-After: 7"), "rate_limited"],
  "500": [http("500 Internal Server Error", "Traceback: db down secret", "text/plain"), "unreachable"],
  redirect: [http("307 Temporary Redirect", "", "text/plain", "Location: http://127.0.0.1:9/"), "malformed"],
  "a redirect that says yes": [http("302 Found", allow(), "application/json", "Location: /v1/check"), "malformed"],
  HTML: [http("200 OK", "<html>allow</html>", "text/html"), "malformed"],
  "no media type": [http("200 OK", allow()).replace(/Content-Type.*\r\n/, ""), "malformed"],
  "no JSON": [http("200 OK", '{"decision": "allow"'), "malformed"],
  "duplicate names": [http("200 OK", allow().replace('"allow"', '"deny", "decision": "allow"')), "malformed"],
  "another authorization": [http("200 OK", allow({}, "auth_eve")), "malformed"],
  "another scope": [http("200 OK", allow({}, "auth_ada", "other")), "malformed"],
  "another word": [http("200 OK", allow({ decision: "ALLOW" })), "malformed"],
  "no nonce": [http("200 OK", allow({ decision: "confirm" })), "malformed"],
  "201": [http("201 Created", allow()), "malformed"],
  "101": ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "unreachable"],
  compressed: [http("200 OK", allow(), "application/json", "Content-Encoding: gzip"), "malformed"],
  "too large": [http("200 OK", large), "malformed"],
  "too large, without a length": [bare + large, "malformed"],
  "headers without an end": [`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`, "malformed"],
};

for (const [index, [fault, [answer, reason]]] of Object.entries(FAULTS).entries()) {
  test(`a fault of the authority is a deny that names it: ${fault}`, async () => {
    const authority = await faulty(answer);
    const outcome = await send(authority.url, KINDS[index % KINDS.length]);
    authority.close();

    assert.equal(reasonOf(outcome), `fallback_closed_${reason}`);
    assert.ok(authority.received.length > 0);
  });
}

for (const kind of KINDS) {
  test(`an authority that is slow is a deny that says so: ${kind}`, async () => {
    const authority = await faulty(undefined);
    const outcome = await send(authority.url, kind, { checkTimeoutMs: 50 });
    authority.close();

    assert.equal(reasonOf(outcome), "fallback_closed_timeout");
  });

  test(`an authority that is down is a deny that says so: ${kind}`, async () => {
    assert.equal(reasonOf(await send(await closedPort(), kind)), "fallback_closed_unreachable");
  });
}

test("the faulty authority of these tests can also be right", async () => {
  const authority = await faulty(http("200 OK", allow()));
  const { result, runs } = await send(authority.url);
  authority.close();

  assert.equal(result.isError ?? false, false);
  assert.deepEqual(runs, [{ user_id: "ada", text: "5" }]);
});

test("a reply in pieces, and one that ends with its connection, are read to their end", async () => {
  const chunks = [allow().slice(0, 20), allow().slice(20)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
  const chunked = `${bare.slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`;
  for (const answer of [chunked, bare + allow()]) {
    const authority = await faulty(answer);
    const { runs } = await send(authority.url);
    authority.close();

    assert.equal(runs.length, 1);
  }
});

for (const [name, first] of Object.entries({ closed: "", "503": http("503 Service Unavailable") })) {
  test(`a restart of the authority goes unnoticed: ${name}`, async () => {
    const authority = await faulty(first, http("200 OK", allow()));
    const { runs } = await send(authority.url);
    authority.close();

    const keys = authority.received.map((request) => /^idempotency-key: (.*)$/im.exec(request)?.[1]);
    assert.equal(runs.length, 1);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    assert.match(keys[0] ?? "", /^[0-9a-f]{32}$/);
  });
}

test("a check says who asks, and nothing follows a proxy of the environment", async () => {
  const proxy = await faulty(http("200 OK", allow()));
  const authority = await faulty(http("200 OK", allow()));
  const before = { ...process.env };
  Object.assign(process.env, { HTTP_PROXY: proxy.url, http_proxy: proxy.url, NODE_USE_ENV_PROXY: "1", NO_PROXY: "" });
  await send(`${authority.url}/base/`);
  process.env = before;
  authority.close();
  proxy.close();

  const [request = ""] = authority.received;
  assert.match(request, /^POST \/base\/v1\/check HTTP\/1\.1\r\n/);
  assert.match(request, /^authorization: Bearer allowly_test_key\r$/im);
  assert.match(request, /^accept-encoding: identity\r$/im);
  assert.deepEqual(proxy.received, []);
});

test("an authority may listen on a Unix socket", async () => {
  const folder = await mkdtemp(join(tmpdir(), "allowly-"));
  const server = createServer((_, response) => response.setHeader("Content-Type", "application/json").end(allow()));
  server.listen(join(folder, "s"));
  await once(server, "listening");
  const { runs } = await send(`http+unix://${encodeURIComponent(join(folder, "s"))}`);
  server.close();
  await rm(folder, { recursive: true });

  assert.equal(runs.length, 1);
});

test("connections are used again, and hundreds of checks at once are answered", async () => {
  let connections = 0;
  const server = createServer((_, response) => response.setHeader("Content-Type", "application/json").end(allow()));
  server.on("connection", () => (connections += 1)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${String((server.address() as { port: number }).port)}`;
  const client = new AuthorityClient({ baseUrl, apiKey: KEY });
  const question = {
    authorizationId: "auth_ada",
    scope: "send",
    resource: null,
    sessionId: null,
    context: null,
    dialect: "scopes" as const,
    idempotencyKey: "k",
  };
  const ask = () => client.check(question, AbortSignal.timeout(60_000));
  for (let index = 0; index < 20; index += 1) {
    await ask();
  }
  const one = connections;
  const decisions = await Promise.all(Array.from({ length: 300 }, ask));
  client.close();
  server.close();

  assert.equal(one, 1);
  assert.ok(decisions.every(({ decision }) => decision === "allow"));
});

test("no secret shows in what may be logged", () => {
  const options = { apiKey: KEY, baseUrl: "https://api.example", authorizationIdFn: () => null };
  const guard = new AllowlyMCPMiddleware(options);

  assert.doesNotMatch(inspect(guard, { depth: 9, showHidden: true }) + JSON.stringify(guard), /allowly_test_key/);
  assert.doesNotMatch(inspect(new AuthorityClient(options), { depth: 9, showHidden: true }), /allowly_test_key/);
  for (const apiKey of ["", "se cret", "secr\u00ebt", "secret\n", undefined as unknown as string]) {
    assert.throws(
      () => new AllowlyMCPMiddleware({ ...options, apiKey }),
      (error: Error) => error instanceof TypeError && !/se ?cr/.test(error.message),
    );
  }
  for (const baseUrl of ["http://user:secret@example.com", "https://secret@example.com", "http://secret.example.com"]) {
    assert.throws(
      () => new AllowlyMCPMiddleware({ ...options, baseUrl }),
      (error: Error) => error instanceof TypeError && !error.message.includes("secret"),
    );
  }
});
