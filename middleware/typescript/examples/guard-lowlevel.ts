/** A low-level server whose tools ask the authority first. */

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { AllowlyMCPMiddleware } from "allowly-mcp-middleware";

const AUTHORIZATIONS = new Map([["ada", process.env["ADAS_AUTHORIZATION"]]]);
const TEXT = { type: "string" };

const server = new Server({ name: "mail", version: "1.0.0" }, { capabilities: { tools: {} } });

server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: [{ name: "send_email", inputSchema: { type: "object", properties: { to: TEXT, body: TEXT } } }],
}));
server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({
  content: [{ type: "text", text: `sent to ${String(params.arguments?.["to"])}` }],
}));

new AllowlyMCPMiddleware({
  apiKey: process.env["ALLOWLY_KEY"] ?? "",
  baseUrl: process.env["ALLOWLY_BASE_URL"],
  userIdFn: () => "ada",
  authorizationIdFn: (userId) => AUTHORIZATIONS.get(userId),
}).attach(server);

await server.connect(new StdioServerTransport());
