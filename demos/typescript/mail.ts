/** The mail server in TypeScript: reading is allowed, sending wants a yes, deleting wants somebody else's. */

import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { AllowlyMCPMiddleware } from "allowly-mcp-middleware";
import { z } from "zod";

import { MailStore } from "./mailstore.ts";
import { CHECK_TIMEOUT_MS, currentUser, load } from "./settings.ts";

const demo = load();
const store = new MailStore(demo.root);
const guard = new AllowlyMCPMiddleware({
  apiKey: demo.apiKey,
  baseUrl: demo.baseUrl,
  userIdFn: () => currentUser(),
  authorizationIdFn: (userId) => (userId === currentUser() ? demo.authorizationId : null),
  checkTimeoutMs: CHECK_TIMEOUT_MS,
});

/** Make the server: ordinary tools, and one line that guards all of them. */
function build(): McpServer {
  const server = new McpServer({ name: "mail", version: "1.0.0" });
  const address = z.string();

  server.registerTool(
    "read_mail",
    {
      title: "Read a mailbox",
      description: "Return the messages in one mailbox.",
      annotations: { readOnlyHint: true },
      inputSchema: z.object({ address }),
    },
    async ({ address }) => text(JSON.stringify(await store.read(address))),
  );
  server.registerTool(
    "send_email",
    {
      title: "Send an e-mail",
      description: "Deliver a message into the mailbox of `to`.",
      inputSchema: z.object({ to: address, subject: z.string(), body: z.string() }),
    },
    async (mail) => text(`delivered ${await store.deliver(mail)}`),
  );
  server.registerTool(
    "delete_mailbox",
    {
      title: "Delete a mailbox",
      description: "Delete a mailbox with everything in it.",
      annotations: { destructiveHint: true },
      inputSchema: z.object({ address }),
    },
    async ({ address }) => text(`deleted ${String(await store.delete(address))} messages`),
  );
  server.registerTool(
    "forward_all",
    {
      title: "Forward all mail",
      description: "Deliver a copy of every message of `source` to `target`. No authorization of the demo covers it.",
      inputSchema: z.object({ source: address, target: address }),
    },
    async ({ source, target }) => {
      const mails = await store.read(source);
      await Promise.all(mails.map(({ subject, body }) => store.deliver({ to: target, subject, body })));
      return text(`forwarded ${String(mails.length)}`);
    },
  );
  return guard.attach(server);
}

function text(text: string) {
  return { content: [{ type: "text" as const, text }] };
}

serveStdio(build);
