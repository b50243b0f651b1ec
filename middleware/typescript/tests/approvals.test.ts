/** One behaviour on every kind of server, over stdio and HTTP, in both eras, with a real authority. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  inputRequired,
  PROTOCOL_VERSION_META_KEY,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

import { AllowlyMCPMiddleware } from "../src/index.js";
import { Authority } from "./support/authority.js";
import {
  clientOf2,
  connection,
  McpServerOf2,
  MemoryOf2,
  type Connection,
  type Era,
  type Kind,
  type Result,
} from "./support/servers.js";

const PROGRAM = fileURLToPath(new URL("support/program.js", import.meta.url));

const WAYS: readonly (readonly [Kind, "stdio" | "http", Era])[] = [
  ["1-mcp", "stdio", "legacy"],
  ["1-mcp", "http", "legacy"],
  ["1-low", "http", "legacy"],
  ["2-mcp", "stdio", "modern"],
  ["2-mcp", "http", "modern"],
  ["2-low", "stdio", "legacy"],
  ["2-low", "http", "legacy"],
];

let authority: Authority;
let folder: string;

before(async () => {
  authority = await Authority.start();
  folder = await mkdtemp(join(tmpdir(), "allowly-runs-"));
});

after(async () => {
  await authority.stop();
  await rm(folder, { recursive: true });
});

async function open(
  t: TestContext,
  kind: Kind,
  transport: "stdio" | "http",
  era: Era,
): Promise<[Connection, () => Promise<unknown[]>]> {
  const runs = join(folder, [kind, transport, era].join("-"));
  const args = [PROGRAM, kind, transport, runs];
  const env = { PATH: process.env["PATH"] ?? "", ALLOWLY_KEY: authority.apiKey, ALLOWLY_BASE_URL: authority.baseUrl };
  const client = clientOf2(era);
  if (transport === "stdio") {
    await client.connect(new StdioClientTransport({ command: process.execPath, args, env }));
  } else {
    const server = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => server.kill());
    const [url] = (await once(createInterface(server.stdout), "line")) as [string];
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  }
  t.after(() => client.close());
  const read = async (): Promise<unknown[]> => {
    const lines = await readFile(runs, "utf8").catch(() => "");
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { text: unknown }).text);
  };
  return [connection(client), read];
}

function decision(result: Result): unknown {
  if (result.isError !== true) {
    return "ran";
  }
  assert.deepEqual(JSON.parse(result.content[0]?.text ?? ""), result.structuredContent);
  return result.structuredContent?.["decision"];
}

for (const [kind, transport, era] of WAYS) {
  test(`an approval opens exactly one call, once: ${kind}, ${transport}, ${era}`, async (t) => {
    const [client, runs] = await open(t, kind, transport, era);
    const user = await authority.grant({ allow: ["measure"], confirm: ["send"] });
    const boss = await authority.grant({ escalate: ["send"] });
    const send = (text: string, user_id = user): Promise<Result> => client.call("send", { user_id, text });

    const allowed = await client.call("measure", { user_id: user, text: "free" });
    const unknown = await send("nobody", "auth_of_nobody");
    const asked = await send("one");
    await authority.answer(asked);
    const other = await send("two");
    const run = await send("one");
    const again = await send("one");
    await authority.answer(again, false);
    const refused = await send("one");
    const escalated = await send("three", boss);
    await authority.answer(escalated);
    const released = await send("three", boss);

    assert.deepEqual(unknown.structuredContent, { decision: "deny", reason: "authorization_not_found" });
    assert.deepEqual([allowed, asked, other, run, again, refused].map(decision), [
      "ran",
      "confirm",
      "confirm",
      "ran",
      "confirm",
      "confirm",
    ]);
    assert.deepEqual([escalated, released].map(decision), ["escalate", "ran"]);
    assert.deepEqual(Object.keys(escalated.structuredContent ?? {}), [
      "decision",
      "reason",
      "escalation_id",
      "escalation_to",
      "escalation_expires_at",
    ]);
    assert.deepEqual(await runs(), ["free", "one", "three"]);
  });
}

interface Leg {
  resultType?: string;
  requestState?: string;
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** A server whose tool asks for a seat before it books, and a way to send it single legs. */
async function booking(): Promise<{ leg(user: string, more?: object): Promise<Leg>; booked: string[] }> {
  const booked: string[] = [];
  const guard = new AllowlyMCPMiddleware({
    apiKey: authority.apiKey,
    baseUrl: authority.baseUrl,
    authorizationIdFn: (userId) => userId,
    checkTimeoutMs: 30_000,
  });
  const make = (): McpServerOf2 => {
    const server = new McpServerOf2({ name: "booking", version: "1" });
    const inputSchema = z.object({ user_id: z.string(), flight: z.string() });
    server.registerTool("book", { inputSchema }, ({ flight }, ctx) => {
      if (ctx.mcpReq.inputResponses === undefined) {
        return inputRequired({ requestState: "asked" });
      }
      booked.push(flight);
      return { content: [{ type: "text", text: "booked" }] };
    });
    return guard.attach(server);
  };
  const [ours, theirs] = MemoryOf2.createLinkedPair();
  serveStdio(make, { transport: theirs });
  await ours.start();
  const _meta = {
    [PROTOCOL_VERSION_META_KEY]: "2026-07-28",
    [CLIENT_INFO_META_KEY]: { name: "legs", version: "1" },
    [CLIENT_CAPABILITIES_META_KEY]: {},
  };
  let id = 0;
  const leg = async (user_id: string, more: object = {}): Promise<Leg> => {
    const answered = new Promise<{ result: Leg }>(
      (resolve) =>
        (ours.onmessage = (message) => {
          resolve(message as { result: Leg });
        }),
    );
    const params = { name: "book", arguments: { user_id, flight: "LH1" }, ...more, _meta };
    id += 1;
    await ours.send({ jsonrpc: "2.0", id, method: "tools/call", params });
    return (await answered).result;
  };
  return { leg, booked };
}

function outcome({ resultType, isError, structuredContent }: Leg): unknown {
  return resultType === "input_required" ? "asks" : isError === true ? structuredContent?.["decision"] : "booked";
}

for (const rule of ["confirm", "escalate"]) {
  test(`one approval serves every leg of one run, and no second run: ${rule}`, async () => {
    const { leg, booked } = await booking();
    const user = await authority.grant({ [rule]: ["book"] });
    const brought = { requestState: "asked", inputResponses: {} };
    await authority.answer((await leg(user)) as Result);

    const legs = [await leg(user), await leg(user, brought), await leg(user, brought), await leg(user)];

    assert.deepEqual(legs.map(outcome), ["asks", "booked", rule, rule]);
    assert.deepEqual(booked, ["LH1"]);
  });
}

test("an invented leg is a call like any other", async () => {
  const { leg, booked } = await booking();
  const user = await authority.grant({ confirm: ["book"] });
  await authority.answer((await leg(user)) as Result);
  await leg(user);

  const invented = await leg(user, { requestState: "invented", inputResponses: {} });

  assert.equal(outcome(invented), "confirm");
  assert.deepEqual(booked, []);
});
