/** Where an authority is: checked before anything is sent there. */

import { isIP, isIPv4, isIPv6 } from "node:net";

/** Begins the URL of an authority on a Unix socket; the socket's path follows, percent-encoded. */
export const UNIX_SCHEME = "http+unix://";

/** Longest path of a Unix socket, in bytes: what macOS takes. */
export const MAX_SOCKET_PATH_BYTES = 103;

/**
 * How to reach an authority.
 *
 * `path` is what stands before the paths of the API, without a slash at its end.
 */
export type Address =
  | { readonly secure: boolean; readonly host: string; readonly port: number; readonly path: string }
  | { readonly socketPath: string; readonly path: "" };

const PRINTABLE = /^[\x21-\x7e]+$/;
const URL_PARTS = /^(https?):\/\/(\[[^\]/]*\]|[^\[\]:/]+)(?::(\d*))?(\/.*)?$/i;

/**
 * Read the base URL of an authority.
 *
 * @throws {TypeError} It is not an `https` URL, nor an `http` one to this computer, nor `http+unix://` with the
 *   percent-encoded path of a socket; or it holds more than scheme, host, port and path.
 */
export function addressOf(baseUrl: string): Address {
  if (typeof baseUrl !== "string") {
    throw new TypeError("baseUrl must be a string");
  }
  if (baseUrl.startsWith(UNIX_SCHEME)) {
    return { socketPath: socketPath(baseUrl.slice(UNIX_SCHEME.length)), path: "" };
  }
  if (!PRINTABLE.test(baseUrl)) {
    throw new TypeError("baseUrl must be printable ASCII without spaces");
  }
  if (/[@?#\\]/.test(baseUrl)) {
    throw new TypeError("baseUrl must hold no credentials, query or fragment");
  }
  const parts = URL_PARTS.exec(baseUrl);
  if (parts === null) {
    throw new TypeError("baseUrl must be an http or https URL with a host");
  }
  const authority = parts[2] ?? "";
  const bracketed = authority.startsWith("[");
  const host = (bracketed ? authority.slice(1, -1) : authority).toLowerCase();
  const port = portOf(parts[3], parts[1] ?? "");
  const secure = parts[1]?.toLowerCase() === "https";
  if (bracketed !== isIPv6(host) || !isPlainHost(host)) {
    throw new TypeError("baseUrl must be an http or https URL with a host");
  }
  if (!secure && !isThisComputer(host)) {
    throw new TypeError("baseUrl must use https; http is for this computer only");
  }
  return { secure, host, port, path: withoutSlashes(parts[4] ?? "") };
}

function portOf(text: string | undefined, scheme: string): number {
  const port = text === undefined || text === "" ? (scheme.toLowerCase() === "https" ? 443 : 80) : Number(text);
  if (port > 65535) {
    throw new TypeError("baseUrl is not a URL");
  }
  return port;
}

/** Tell whether a host is an address, or a name that nothing rewrites on its way to the resolver. */
function isPlainHost(host: string): boolean {
  if (isIP(host) !== 0) {
    return !host.includes("%"); // no zone: it would depend on the machine what it means
  }
  // `127.1` and `0x7f.1` are addresses to some resolvers and names to others.
  return /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?$/.test(host) && !/(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/.test(host);
}

function isThisComputer(host: string): boolean {
  if (isIPv6(host)) {
    return new URL(`http://[${host}]`).hostname === "[::1]";
  }
  return host === "localhost" || (isIPv4(host) && host.startsWith("127."));
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") {
    end -= 1;
  }
  return path.slice(0, end);
}

function socketPath(rest: string): string {
  const encoded = withoutSlashes(rest);
  if (!/^[\x21-\x7e]*$/.test(encoded) || /[/?#@]/.test(encoded)) {
    throw new TypeError("baseUrl must hold the percent-encoded path of a socket after http+unix://, and nothing else");
  }
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch {
    throw new TypeError("baseUrl must hold the path of a socket in UTF-8");
  }
  if (!path.startsWith("/") || /[\p{C}\p{Zl}\p{Zp}]/u.test(path)) {
    throw new TypeError("baseUrl must hold an absolute path of printable characters after http+unix://");
  }
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new TypeError(`the path of a socket has at most ${String(MAX_SOCKET_PATH_BYTES)} bytes`);
  }
  return path;
}
