/** A server of `@modelcontextprotocol/sdk` 1.x whose tools ask the authority first. */

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { AllowlyMCPMiddleware } from "allowly-mcp-middleware";
import { z } from "zod";

const AUTHORIZATIONS = new Map([["ada", process.env["ADAS_AUTHORIZATION"]]]);

const server = new McpServer({ name: "mail", version: "1.0.0" });

new AllowlyMCPMiddleware({
  apiKey: process.env["ALLOWLY_KEY"] ?? "",
  baseUrl: process.env["ALLOWLY_BASE_URL"],
  userIdFn: () => "ada",
  authorizationIdFn: (userId) => AUTHORIZATIONS.get(userId),
}).attach(server);

server.registerTool(
  "send_email",
  { description: "Send an email.", inputSchema: { to: z.string(), body: z.string() } },
  ({ to }) => ({ content: [{ type: "text", text: `sent to ${to}` }] }),
);

await server.connect(new StdioServerTransport());
