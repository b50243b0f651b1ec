/** Servers of both SDKs over streamable HTTP, on a free port of this computer. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpHandler } from "@modelcontextprotocol/server";

import { McpServerOf1, ServerOf1, type AnyServer, type McpServerOf2, type ServerOf2 } from "./servers.js";

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Serve, and return the URL. */
export async function serveHttp(build: () => AnyServer): Promise<string> {
  const first = build();
  let handle: Handle;
  if (first instanceof McpServerOf1) {
    handle = await inOneSession(first);
  } else if (first instanceof ServerOf1) {
    handle = stateless(build as () => ServerOf1);
  } else {
    handle = overFetch(createMcpHandler(build as () => McpServerOf2 | ServerOf2).fetch);
  }
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/mcp`;
}

async function inOneSession(server: McpServerOf1): Promise<Handle> {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID });
  await server.connect(transport as never); // its optional members are typed for looser compilers
  return (request, response) => transport.handleRequest(request, response);
}

function stateless(build: () => ServerOf1): Handle {
  return async (request, response) => {
    const transport = new StreamableHTTPServerTransport({});
    await build().connect(transport as never);
    await transport.handleRequest(request, response);
  };
}

function overFetch(serve: (request: Request) => Promise<Response>): Handle {
  return async (incoming, outgoing) => {
    const chunks = (await incoming.toArray()) as Buffer[];
    const method = incoming.method ?? "GET";
    const body = method === "GET" ? {} : { body: Buffer.concat(chunks) };
    const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const answer = await serve(
      new Request(`http://${String(incoming.headers.host)}${incoming.url ?? ""}`, { method, headers, ...body }),
    );
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    outgoing.end(Buffer.from(await answer.arrayBuffer()));
  };
}
