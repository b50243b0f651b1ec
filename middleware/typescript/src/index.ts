/** Guards the tools of an MCP server with the Allowly authorization API. */

export { boundResource, canonicalJson, digestOf } from "./binding.js";
export { AuthorityClient, type Checker, type CheckQuestion, type Dialect } from "./client.js";
export { AuthorityError, type FailureKind } from "./errors.js";
export { BOUND, type AuthInfo, type CallFacts, type CheckInput } from "./facts.js";
export type { AuthorizationIdFn, CheckInputFn, UserIdFn } from "./gate.js";
export {
  AllowlyMCPMiddleware,
  DEFAULT_BASE_URL,
  type AllowlyMCPMiddlewareOptions,
  type GuardableServer,
} from "./middleware.js";
export { CHECK_META_KEY } from "./payload.js";
export type { CheckResult } from "./replies.js";
