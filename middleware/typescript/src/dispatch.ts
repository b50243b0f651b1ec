/**
 * The place where both SDKs look up who serves a request: the gate stands there.
 *
 * `Protocol` of 1.x and of 2.x keeps one table of handlers and reads it for every request. So a gate in the reading
 * of the table guards what was registered before and what will be registered later, and however it was. None of this
 * is a published interface of the SDKs; that it is as expected is tried out before a server is said to be guarded.
 */

import { blockedResult, denied } from "./payload.js";
import { copied, frozen, UncopyableError, type AuthInfo, type CallFacts } from "./facts.js";
import type { Gate } from "./gate.js";
import { refused, type Grant, type Verdict } from "./verdicts.js";

/** A request as the SDKs hand it to a handler. */
interface Request {
  readonly method: string;
  readonly params?: unknown;
}

type Handler = (request: Request, context: unknown) => unknown;
type Named = Readonly<Record<string, unknown>>;

/** What stands inside of a server: the `Protocol` of either SDK. */
interface Dispatcher {
  _requestHandlers: Map<string, Handler>;
  _onrequest: (request: unknown, extra?: unknown) => unknown;
  fallbackRequestHandler?: Handler | undefined;
  setRequestHandler: unknown;
}

const TOOL_CALL = "tools/call";

/** Shared by all copies of this package in a program, so that no server gets two gates. */
const GUARD = Symbol.for("allowly-mcp-middleware/guard");

/**
 * Put a gate before the tools of a server; a second time it changes nothing.
 *
 * @param server An `McpServer` or a low-level `Server`, of either SDK.
 * @param guard Who guards; decides whether the server is guarded by the same one.
 * @throws {TypeError} It is no such server, or one that cannot be guarded.
 * @throws {Error} Somebody else guards it: two gates would use up two approvals for each call.
 */
export function guardServer(server: unknown, guard: object, gate: Gate): void {
  const dispatcher = dispatcherOf(server);
  const handlers = dispatcher._requestHandlers;
  const present = (handlers as { [GUARD]?: unknown })[GUARD];
  if (present === guard) {
    return;
  }
  if (present !== undefined) {
    throw new Error("this server is guarded already");
  }
  if (!asksItsTable(dispatcher)) {
    throw new TypeError("this server cannot be guarded: its SDK looks up handlers in a way that is not known here");
  }
  const stage = new Stage(gate);
  const lookUp = handlers.get.bind(handlers);
  const get = (method: string): Handler | undefined => {
    const handler = lookUp(method);
    // Whatever the request says of its method by the time that it is handled: this handler serves tool calls.
    return method === TOOL_CALL && handler !== undefined ? stage.guarded(handler, () => true) : handler;
  };
  let fallback = dispatcher.fallbackRequestHandler;
  const fixed = { configurable: false, enumerable: false, writable: false };
  Object.defineProperty(dispatcher, "fallbackRequestHandler", {
    configurable: false,
    enumerable: true,
    get: () => (fallback === undefined ? undefined : stage.guarded(fallback, ({ method }) => method === TOOL_CALL)),
    set: (handler: Handler | undefined) => {
      fallback = handler;
    },
  });
  Object.defineProperty(dispatcher, "_requestHandlers", { ...fixed, value: handlers });
  Object.defineProperty(handlers, "get", { ...fixed, value: get });
  Object.defineProperty(handlers, GUARD, { ...fixed, value: guard }); // the last step: it says that all is done
}

function dispatcherOf(server: unknown): Dispatcher {
  const inner = isDispatcher(server) ? server : (server as { server?: unknown } | null | undefined)?.server;
  if (!isDispatcher(inner)) {
    throw new TypeError("attach() takes an McpServer or a Server of the official MCP packages");
  }
  const own = Object.getOwnPropertyDescriptor(inner, "_requestHandlers");
  if (own?.configurable === false && (inner._requestHandlers as { [GUARD]?: unknown })[GUARD] === undefined) {
    throw new TypeError("this server cannot be guarded: its table of handlers cannot be held fast");
  }
  return inner;
}

function isDispatcher(value: unknown): value is Dispatcher {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { _requestHandlers: handlers, _onrequest, setRequestHandler } = value as Partial<Dispatcher>;
  return handlers instanceof Map && typeof _onrequest === "function" && typeof setRequestHandler === "function";
}

/** Send a request to a shadow of the server that shares its code and none of its state, and see whether it looks. */
function asksItsTable(dispatcher: Dispatcher): boolean {
  const asked: unknown[] = [];
  const table = new Map<string, Handler>([[TOOL_CALL, () => ({ content: [] })]]);
  const own = table.get.bind(table);
  table.get = (method) => {
    asked.push(method);
    return own(method);
  };
  const shadow = Object.create(dispatcher, {
    _requestHandlers: { value: table },
    _requestHandlerAbortControllers: { value: new Map() },
    _transport: { value: { send: () => Promise.resolve() } },
    _negotiatedProtocolVersion: { value: undefined },
    _onerror: { value: () => undefined },
  }) as Dispatcher;
  try {
    shadow._onrequest({ jsonrpc: "2.0", id: 0, method: TOOL_CALL, params: { name: "", arguments: {} } });
  } catch {
    return false;
  }
  return asked.includes(TOOL_CALL);
}

/** Runs calls through the gate. */
class Stage {
  readonly #gate: Gate;
  /**
   * What a request has been granted and not yet used at the tool, by the signal that each request has for itself. A
   * handler may wrap another one that it has read from the table: then the gate is passed twice in one request.
   */
  readonly #granted = new WeakMap<AbortSignal, Grant>();

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  guarded(handler: Handler, isToolCall: (request: Request) => boolean): Handler {
    return async (request, context) => {
      return isToolCall(request) ? await this.#run(handler, request, context) : await handler(request, context);
    };
  }

  async #run(handler: Handler, shared: Request, context: unknown): Promise<unknown> {
    // A caller in the same process may hold the request and change it during the check: what is looked at is what runs.
    const request: Request = { ...shared, method: TOOL_CALL, params: { ...((shared.params ?? {}) as Named) } };
    const signal = signalOf(context);
    const facts = factsOf(request, context);
    if (facts === undefined) {
      return blocked(refused(denied("call_malformed")));
    }
    if (facts instanceof UncopyableError) {
      return blocked(refused(denied("arguments_not_canonical")));
    }
    const earlier = this.#granted.get(signal);
    this.#granted.delete(signal);
    const verdict = await this.#gate.decide(facts, signal, earlier);
    signal.throwIfAborted();
    if (!verdict.allowed) {
      return blocked(verdict);
    }
    this.#granted.set(signal, verdict.grant);
    let result: unknown;
    try {
      result = await handler(withArguments(request, facts), context);
    } finally {
      this.#granted.delete(signal);
    }
    const state = askedState(result);
    if (state !== undefined && verdict.grant !== earlier) {
      this.#gate.suspended(verdict.grant, state);
    }
    return result;
  }
}

function blocked(verdict: Verdict): unknown {
  return verdict.allowed ? undefined : blockedResult(verdict.payload, verdict.unavailable);
}

function factsOf(request: Request, context: unknown): CallFacts | UncopyableError | undefined {
  const params = request.params as Named;
  const { name, arguments: given } = params;
  const message = member(context, "mcpReq");
  if (typeof name !== "string" || (given !== undefined && given !== null && !isMapping(given))) {
    return undefined;
  }
  let own: unknown;
  try {
    own = frozen(copied(given ?? {}));
  } catch {
    return new UncopyableError("the arguments cannot be copied");
  }
  const accessor = member(message, "requestState");
  const state: unknown = typeof accessor === "function" ? (accessor as () => unknown)() : undefined;
  const session = member(context, "sessionId");
  return Object.freeze({
    tool: name,
    arguments: own as Named,
    authInfo: (member(context, "authInfo") ?? member(member(context, "http"), "authInfo")) as AuthInfo | undefined,
    sessionId: typeof session === "string" ? session : undefined,
    context,
    continues: state !== undefined || member(message, "inputResponses") !== undefined,
    requestState: typeof state === "string" ? state : null,
  });
}

/** Return the request with arguments of its own: the tool may change them, and nobody else can. */
function withArguments(request: Request, facts: CallFacts): Request {
  const params = request.params as Named;
  if (params["arguments"] === undefined || params["arguments"] === null) {
    return request;
  }
  return { ...request, params: { ...params, arguments: copied(facts.arguments) } };
}

/** Return the signal that the SDK aborts when a request is cancelled; a request without one cannot be. */
function signalOf(context: unknown): AbortSignal {
  const signal = member(context, "signal") ?? member(member(context, "mcpReq"), "signal");
  return signal instanceof AbortSignal ? signal : new AbortController().signal;
}

/** Return the state of a result that asks its client for input; `undefined` for any other result. */
function askedState(result: unknown): string | null | undefined {
  if (member(result, "resultType") !== "input_required") {
    return undefined;
  }
  const state = member(result, "requestState");
  return typeof state === "string" ? state : null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Named)[name] : undefined;
}

function isMapping(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
