/**
 * One HTTP request and its reply, over Node's own client.
 *
 * Not `fetch`: that follows redirects, unpacks replies and, on some versions and settings, sends the key through a
 * proxy that the environment names. And it does not say whether a request may have left.
 */

import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

import type { Address } from "./addresses.js";
import { AuthorityError } from "./errors.js";
import type { Answer } from "./replies.js";

/** Longest reply body, in bytes; a longer one is cut off and refused. */
export const MAX_REPLY_BYTES = 1024 * 1024;

/** Most connections to the authority at a time; more requests wait, within their deadline. */
export const MAX_CONNECTIONS = 256;

/** How long an idle connection is kept, in milliseconds: shorter than any usual server does. */
export const IDLE_MS = 4000;

/** A request, ready to be sent. */
export interface Outgoing {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Connections to one authority. Idle ones do not keep a program alive. */
export class Exchange {
  readonly #address: Address;
  readonly #agent: HttpAgent;

  constructor(address: Address) {
    this.#address = address;
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_MS };
    // Said outright, because an environment variable turns it off otherwise.
    this.#agent = isSecure(address) ? new HttpsAgent({ ...options, rejectUnauthorized: true }) : new HttpAgent(options);
  }

  /** Close the connections. A later request opens new ones. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * Post a body and return the whole reply.
   *
   * @param signal Ends the exchange when it is aborted; the error is then its `reason`.
   * @throws {AuthorityError} There is no whole reply; see its kind.
   */
  async post(outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    let abort: () => void = () => undefined;
    const answer = new Promise<Answer>((resolve, reject) => {
      const request = this.#open(outgoing);
      let connected = false;
      let answered = false;
      const fail = (error: unknown): void => {
        reject(error as Error);
        request.destroy();
      };
      abort = () => {
        fail(signal.reason);
      };
      request.once("socket", (socket) => {
        const secure = isSecure(this.#address);
        connected = request.reusedSocket || (!secure && !socket.connecting);
        if (!connected) {
          socket.once(secure ? "secureConnect" : "connect", () => (connected = true));
        }
      });
      // For good: an error that nobody listens to would end the program.
      request.on("error", (error: NodeJS.ErrnoException) => {
        fail(failureOf(error, connected));
      });
      request.once("response", (response) => {
        answered = true;
        read(response).then(resolve, fail);
      });
      request.once("close", () => {
        if (!answered) {
          fail(new AuthorityError("closed"));
        }
      });
      request.end(outgoing.body);
    });
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await answer;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #open(outgoing: Outgoing): ClientRequest {
    const { path } = outgoing;
    const options = {
      agent: this.#agent,
      method: "POST",
      headers: { ...outgoing.headers, "Content-Length": Buffer.byteLength(outgoing.body) },
      insecureHTTPParser: false,
    };
    const address = this.#address;
    if ("socketPath" in address) {
      return httpRequest({ ...options, socketPath: address.socketPath, path });
    }
    const { host, port } = address;
    return (address.secure ? httpsRequest : httpRequest)({ ...options, host, port, path: address.path + path });
  }
}

function isSecure(address: Address): boolean {
  return "secure" in address && address.secure;
}

function failureOf(error: NodeJS.ErrnoException, connected: boolean): AuthorityError {
  if (!connected) {
    return new AuthorityError("connect");
  }
  // HPE_...: the errors of Node's HTTP parser.
  return new AuthorityError(error.code?.startsWith("HPE_") === true ? "malformed" : "closed");
}

async function read(response: IncomingMessage): Promise<Answer> {
  const { headers } = response;
  if ((headers["content-encoding"] ?? "identity") !== "identity") {
    throw new AuthorityError("malformed");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > MAX_REPLY_BYTES) {
        break;
      }
    }
  } catch (error) {
    throw failureOf(error as NodeJS.ErrnoException, true);
  }
  if (size > MAX_REPLY_BYTES) {
    throw new AuthorityError("malformed");
  }
  const mediaType = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks), isJson: mediaType === "application/json" };
}
