/** What the demo server needs to know, from its environment. */

import { userInfo } from "node:os";
import { resolve } from "node:path";

/** How long a check may take; longer than the guard's default, because a demo shares its computer with its authority. */
export const CHECK_TIMEOUT_MS = 10_000;

/** Where mail goes, and who is asked before it does. */
export interface DemoSettings {
  readonly root: string;
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly authorizationId: string;
}

/** Return the user of this computer: the identity that a local server can trust. */
export function currentUser(): string {
  const { LOGNAME, USER, LNAME, USERNAME } = process.env;
  return LOGNAME || USER || LNAME || USERNAME || userInfo().username;
}

/** Read the settings, or leave with a sentence that says which are missing. */
export function load(): DemoSettings {
  const { ALLOWLY_BASE_URL, ALLOWLY_KEY, ALLOWLY_AUTHORIZATION_ID, ALLOWLY_DEMO_MAIL } = process.env;
  const needed = { ALLOWLY_BASE_URL, ALLOWLY_KEY, ALLOWLY_AUTHORIZATION_ID };
  const missing = Object.entries(needed).filter(([, value]) => !value);
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(", ");
    process.stderr.write(`This server asks an authority before it acts; set ${names}.\n`);
    process.exit(1);
  }
  return {
    root: resolve(ALLOWLY_DEMO_MAIL || "demo-mail"),
    baseUrl: ALLOWLY_BASE_URL ?? "",
    apiKey: ALLOWLY_KEY ?? "",
    authorizationId: ALLOWLY_AUTHORIZATION_ID ?? "",
  };
}
