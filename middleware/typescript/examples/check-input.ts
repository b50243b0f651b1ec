/** What is asked about a call: one scope for all tools that send, and the amount for the policy to look at. */

import { AllowlyMCPMiddleware, type CallFacts, type CheckInput } from "allowly-mcp-middleware";

export function checkInput(call: CallFacts): CheckInput {
  const amount = Number(call.arguments["amount"] ?? 0);
  return { scope: call.tool.startsWith("send_") ? "mail.send" : null, context: { amount: Math.round(amount) } };
}

export const guard = new AllowlyMCPMiddleware({
  apiKey: process.env["ALLOWLY_KEY"] ?? "",
  authorizationIdFn: (userId) => userId,
  checkInputFn: checkInput,
});
