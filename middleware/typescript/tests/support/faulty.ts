/** An authority on a raw socket, which answers as wrongly as it is told to. */

import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

/** What a connection is answered with: bytes; "" to close it at once; `undefined` for never. */
export type Answer = string | Buffer | undefined;

export interface Faulty {
  readonly url: string;
  /** The requests that arrived, each whole. */
  readonly received: string[];
  close(): void;
}

/** Return an HTTP reply, byte for byte. */
export function http(status: string, body = "{}", contentType = "application/json", ...headers: string[]): string {
  const length = `Content-Length: ${String(Buffer.byteLength(body))}`;
  return [`HTTP/1.1 ${status}`, `Content-Type: ${contentType}`, length, ...headers, "", body].join("\r\n");
}

/** Return the body of a reply that allows `send` to ada, changed at will. */
export function allow(changes: Record<string, unknown> = {}, authorizationId = "auth_ada", scope = "send"): string {
  const result = { decision: "allow", reason: "authorization_granted_scope_active", receipt: null, ...changes };
  return JSON.stringify({ authorization_id: authorizationId, policy_version: "1", results: { [scope]: result } });
}

/** Listen; each request gets the next answer, all further ones the last. */
export async function faulty(...answers: Answer[]): Promise<Faulty> {
  const received: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    let arrived = "";
    socket.setEncoding("utf8");
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
    socket.on("data", (chunk: string) => {
      arrived += chunk;
      if (!arrived.includes("\r\n\r\n") || !arrived.endsWith("}")) {
        return;
      }
      received.push(arrived);
      arrived = "";
      const answer = answers[Math.min(received.length, answers.length) - 1];
      if (answer !== undefined) {
        socket.end(answer);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    received,
    close() {
      server.close();
      open.forEach((socket) => socket.destroy());
    },
  };
}

/** Return the URL of a port that nobody listens on. */
export async function closedPort(): Promise<string> {
  const nobody = await faulty();
  nobody.close();
  return nobody.url;
}
