/** The servers that the tests guard: two tools, both SDKs, high level and low level; and clients of both eras. */

import { Client as ClientOf1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as MemoryOf1 } from "@modelcontextprotocol/sdk/inMemory.js";
import { Server as ServerOf1 } from "@modelcontextprotocol/sdk/server/index.js";
import { McpServer as McpServerOf1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Client as ClientOf2 } from "@modelcontextprotocol/client";
import {
  InMemoryTransport as MemoryOf2,
  McpServer as McpServerOf2,
  Server as ServerOf2,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

export { ClientOf1, ClientOf2, McpServerOf1, McpServerOf2, MemoryOf1, MemoryOf2, ServerOf1, ServerOf2 };

/** The SDK's major version, and which of its two servers. */
export const KINDS = ["1-mcp", "1-low", "2-mcp", "2-low"] as const;
export type Kind = (typeof KINDS)[number];

/** Every kind with every era of the protocol that it serves. */
export const WAYS: readonly (readonly [Kind, Era])[] = [
  ["1-mcp", "legacy"],
  ["1-low", "legacy"],
  ["2-mcp", "legacy"],
  ["2-low", "legacy"],
  ["2-mcp", "modern"],
  ["2-low", "modern"],
];
export type Era = "legacy" | "modern";

export type Arguments = Record<string, unknown>;
export type AnyServer = McpServerOf1 | ServerOf1 | McpServerOf2 | ServerOf2;

/** Told of every run of a tool. */
export type Recorder = (tool: string, given: Arguments) => unknown;

/** A result as a client gets it. */
export interface Result {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: Record<string, unknown>;
  readonly isError?: boolean;
  readonly _meta?: Record<string, unknown>;
}

/** A client that is connected. */
export interface Connection {
  call(tool: string, given: Arguments, signal?: AbortSignal): Promise<Result>;
  close(): Promise<void>;
}

const INFO = { name: "guarded", version: "1" };
const SHAPE = { user_id: z.string(), text: z.string() };
const OUTPUT = { length: z.number() };
const SCHEMA = {
  type: "object" as const,
  properties: { user_id: { type: "string" }, text: { type: "string" } },
  required: ["user_id", "text"],
};
const TOOLS = {
  tools: [
    { name: "send", inputSchema: SCHEMA },
    {
      name: "measure",
      inputSchema: SCHEMA,
      outputSchema: { type: "object" as const, properties: { length: { type: "number" } } },
    },
  ],
};

/** Return a server without tools. */
export function empty(kind: Kind): AnyServer {
  const options = { capabilities: { tools: {} } };
  switch (kind) {
    case "1-mcp":
      return new McpServerOf1(INFO);
    case "1-low":
      return new ServerOf1(INFO, options);
    case "2-mcp":
      return new McpServerOf2(INFO);
    case "2-low":
      return new ServerOf2(INFO, options);
  }
}

/** Register the two tools: `send` gives a text, `measure` an object. */
export function addTools(server: AnyServer, record: Recorder): void {
  const run = async (tool: string, given: Arguments) => {
    await record(tool, given);
    if (tool === "send") {
      return { content: [{ type: "text" as const, text: "sent" }] };
    }
    const structuredContent = { length: String(given["text"]).length };
    return { content: [{ type: "text" as const, text: JSON.stringify(structuredContent) }], structuredContent };
  };
  if (server instanceof McpServerOf1) {
    server.registerTool("send", { inputSchema: SHAPE }, (given) => run("send", given));
    server.registerTool("measure", { inputSchema: SHAPE, outputSchema: OUTPUT }, (given) => run("measure", given));
  } else if (server instanceof McpServerOf2) {
    const [inputSchema, outputSchema] = [z.object(SHAPE), z.object(OUTPUT)];
    server.registerTool("send", { inputSchema }, (given) => run("send", given));
    server.registerTool("measure", { inputSchema, outputSchema }, (given) => run("measure", given));
  } else if (server instanceof ServerOf1) {
    server.setRequestHandler(ListToolsRequestSchema, () => TOOLS);
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => run(params.name, params.arguments ?? {}));
  } else {
    server.setRequestHandler("tools/list", () => TOOLS);
    server.setRequestHandler("tools/call", ({ params }) => run(params.name, params.arguments ?? {}));
  }
}

/** Return a server with the two tools. */
export function build(kind: Kind, record: Recorder): AnyServer {
  const server = empty(kind);
  addTools(server, record);
  return server;
}

/** Connect a client of the server's own SDK, in this process. */
export async function connect(server: AnyServer, era: Era = "legacy"): Promise<Connection> {
  if (server instanceof McpServerOf1 || server instanceof ServerOf1) {
    const [ours, theirs] = MemoryOf1.createLinkedPair();
    const client = new ClientOf1(INFO);
    await server.connect(theirs);
    await client.connect(ours);
    return connection(client);
  }
  const [ours, theirs] = MemoryOf2.createLinkedPair();
  if (era === "legacy") {
    await server.connect(theirs);
  } else {
    serveStdio(() => server, { transport: theirs });
  }
  const client = clientOf2(era);
  await client.connect(ours);
  return connection(client);
}

/** Return a client of 2.x that speaks one era and no other. */
export function clientOf2(era: Era, options: object = {}): ClientOf2 {
  const mode = era === "legacy" ? ("legacy" as const) : { pin: "2026-07-28" };
  return new ClientOf2(INFO, { ...options, versionNegotiation: { mode } });
}

/** Return what the tests need of a client. */
export function connection(client: ClientOf1 | ClientOf2): Connection {
  return {
    async call(name, given, signal) {
      const request = { name, arguments: given };
      const options = signal === undefined ? {} : { signal };
      const result = await (client instanceof ClientOf1
        ? client.callTool(request, undefined, options)
        : client.callTool(request, options));
      return result as Result;
    },
    close: () => client.close(),
  };
}

/** What the tools are called with. */
export const GIVEN = { user_id: "ada", text: "5" };

/** Guard, call once, and say what came of it. */
export async function decisionOf(server: AnyServer, era: Era = "legacy", given: Arguments = GIVEN): Promise<string> {
  const client = await connect(server, era);
  const result = await client.call("send", given);
  await client.close();
  return result.isError === true ? String(result.structuredContent?.["decision"]) : "ran";
}

/** Return what lies inside of a server of either level. */
export function inner(server: AnyServer): ServerOf1 | ServerOf2 {
  return "server" in server ? server.server : server;
}
