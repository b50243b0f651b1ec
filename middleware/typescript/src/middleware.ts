/** The object that a server's author adds to a server, whichever kind it is. */

import { AuthorityClient, type Checker } from "./client.js";
import { guardServer } from "./dispatch.js";
import { Gate, type GateOptions } from "./gate.js";

/** The hosted authority. */
export const DEFAULT_BASE_URL = "https://api.allowly.ai";

/** How a server is guarded. */
export interface AllowlyMCPMiddlewareOptions extends GateOptions {
  /** The key of the workspace. It stays in this process. */
  readonly apiKey: string;

  /** Gives the authorization id of a user, or `null`; synchronous or not. */
  readonly authorizationIdFn: GateOptions["authorizationIdFn"];

  /** The authority: https, http on this machine only, or `http+unix://` with the percent-encoded path of a socket. */
  readonly baseUrl?: string | undefined;

  /**
   * Gives the user of a call, from the facts of it; synchronous or not. Take the user from what the transport has
   * verified. Where it is not given, the user is the tool argument `user_id`: **an argument is chosen by the
   * caller**, so whoever can call the tool, a misled language model included, can name any user.
   */
  readonly userIdFn?: GateOptions["userIdFn"];

  /** Gives the `CheckInput` of a call: another scope, another resource, context for the policy; synchronous or not. */
  readonly checkInputFn?: GateOptions["checkInputFn"];

  /** "scopes", or "actions" for an authority that speaks the newer words. */
  readonly dialect?: GateOptions["dialect"];

  /**
   * Whether an approval opens this one call with exactly these arguments. `false` is what the published middleware
   * does: a yes then opens the tool, with any arguments, for as long as it lasts.
   */
  readonly bindArguments?: boolean | undefined;

  /** How long a check may take before the call is denied, in milliseconds; 1000 by default. */
  readonly checkTimeoutMs?: number | undefined;

  /** How long an asynchronous callback may take before the call is denied, in milliseconds; 5000 by default. */
  readonly callbackTimeoutMs?: number | undefined;

  /** Told when a callback or a check ends in an error, without its text; standard error by default. */
  readonly log?: ((message: string) => void) | undefined;

  /** Answers checks in place of an own client of `baseUrl`. */
  readonly authority?: Checker | undefined;
}

/**
 * An `McpServer` or a low-level `Server`, of `@modelcontextprotocol/sdk` 1.x or `@modelcontextprotocol/server` 2.x.
 *
 * Described by its shape, so that a program needs no more than the one of the two that it uses.
 */
export type GuardableServer = { readonly server: object } | { readonly setRequestHandler: unknown };

/**
 * Asks the authority before every tool call of an MCP server.
 *
 * Blocked calls are answered with an error result that says what was decided; nothing is thrown. What the gate
 * cannot see are calls that the server's own code makes past the SDK, and what a handler does with a call that it
 * was given.
 */
export class AllowlyMCPMiddleware {
  readonly #gate: Gate;
  readonly #owned: AuthorityClient | undefined;

  /** @throws {TypeError} A setting that cannot work. */
  constructor(options: AllowlyMCPMiddlewareOptions) {
    const { apiKey, baseUrl = DEFAULT_BASE_URL, authority } = options;
    this.#owned = authority === undefined ? new AuthorityClient({ baseUrl, apiKey }) : undefined;
    this.#gate = new Gate(authority ?? (this.#owned as Checker), options);
  }

  /**
   * Guard a server, before or after its tools are registered. Doing it again changes nothing.
   *
   * @returns The same server.
   * @throws {TypeError} Not one of these servers, or one that cannot be guarded.
   * @throws {Error} Another gate guards it; two would use up two approvals for each call.
   */
  attach<T extends GuardableServer>(server: T): T {
    guardServer(server, this, this.#gate);
    return server;
  }

  /** Close the idle connections to the authority. They also close by themselves, and keep no program alive. */
  close(): void {
    this.#owned?.close();
  }
}
