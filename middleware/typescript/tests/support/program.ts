/**
 * A guarded server as a process of its own: `program.js KIND TRANSPORT RUNS_FILE`.
 *
 * The user id of the tests is the authorization id itself. Each run of a tool adds a line to the file.
 */

import { appendFileSync } from "node:fs";

import { StdioServerTransport as StdioOf1 } from "@modelcontextprotocol/sdk/server/stdio.js";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

import { AllowlyMCPMiddleware } from "../../src/index.js";
import { serveHttp } from "./http.js";
import {
  build,
  McpServerOf1,
  ServerOf1,
  type AnyServer,
  type Kind,
  type McpServerOf2,
  type ServerOf2,
} from "./servers.js";

const [kind, transport, file] = process.argv.slice(2) as [Kind, string, string];
const guard = new AllowlyMCPMiddleware({
  apiKey: process.env["ALLOWLY_KEY"] ?? "",
  baseUrl: process.env["ALLOWLY_BASE_URL"],
  authorizationIdFn: (userId) => userId,
  checkTimeoutMs: 30_000, // how busy the machine is is not what is tested
});
const make = (): AnyServer =>
  guard.attach(
    build(kind, (_, given) => {
      appendFileSync(file, `${JSON.stringify(given)}\n`);
    }),
  );

if (transport === "http") {
  process.stdout.write(`${await serveHttp(make)}\n`);
} else {
  const server = make();
  if (server instanceof McpServerOf1 || server instanceof ServerOf1) {
    await server.connect(new StdioOf1());
  } else {
    serveStdio(make as () => McpServerOf2 | ServerOf2);
  }
}
