/** A server of `@modelcontextprotocol/server` 2.x whose tools ask the authority first. */

import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { AllowlyMCPMiddleware } from "allowly-mcp-middleware";
import { z } from "zod";

const AUTHORIZATIONS = new Map([["ada", process.env["ADAS_AUTHORIZATION"]]]);

const guard = new AllowlyMCPMiddleware({
  apiKey: process.env["ALLOWLY_KEY"] ?? "",
  baseUrl: process.env["ALLOWLY_BASE_URL"],
  userIdFn: () => "ada",
  authorizationIdFn: (userId) => AUTHORIZATIONS.get(userId),
});

serveStdio(() => {
  const server = new McpServer({ name: "mail", version: "1.0.0" });
  server.registerTool(
    "send_email",
    { description: "Send an email.", inputSchema: z.object({ to: z.string(), body: z.string() }) },
    ({ to }) => ({ content: [{ type: "text", text: `sent to ${to}` }] }),
  );
  return guard.attach(server);
});
