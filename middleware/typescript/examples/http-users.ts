/** Who the user is, on HTTP: the subject of the token that the SDK has verified. */

import type { CallFacts } from "allowly-mcp-middleware";

export function verifiedUser(call: CallFacts): string | null {
  const subject = call.authInfo?.extra?.["sub"];
  return typeof subject === "string" ? subject : null;
}
