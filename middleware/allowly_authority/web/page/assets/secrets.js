// Which values are masked until they are revealed, by their name and by their look: the rules of display/secrets.py of
// the harness. Masking protects from glances and recordings, not from the approver.

import { Line, counted } from "./text.js";

export const MAX_SECRET_CHARACTERS = 200;

const SECRET_NAME =
  /(?:^|[_\-. ])(?:password|passwd|pwd|passphrase|secret|token|(?:api|access|private|signing)[-_ ]?key|credentials?|cookie|authorization|bearer|otp|pin|cvv|cvc)(?:$|[_\-. ])/i;
const CAMEL = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g;

// Keys by the prefix that their makers give them so that scanners find them: the table of key_shapes.py.
const KEYS = [
  /sk[-_][A-Za-z0-9_-]{16,208}/g,
  /[pr]k_(?:live|test)_[A-Za-z0-9]{16,200}/g,
  /whsec_[A-Za-z0-9+\/=]{16,200}/g,
  /allowly_[A-Za-z0-9]{1,20}_[A-Za-z0-9_-]{8,200}/g,
  /gh[a-z]_[A-Za-z0-9]{16,255}/g,
  /github_pat_[A-Za-z0-9_]{16,255}/g,
  /glpat-[A-Za-z0-9_.-]{16,200}/g,
  /xox[a-z]-[A-Za-z0-9-]{10,200}/g,
  /xapp-[A-Za-z0-9-]{10,200}/g,
  /hooks\.slack\.com\/services\/[A-Za-z0-9\/]{20,100}/g,
  /(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g,
  /AIza[A-Za-z0-9_-]{35}/g,
  /ya29\.[A-Za-z0-9_-]{20,500}/g,
  /GOCSPX-[A-Za-z0-9_-]{20,60}/g,
  /npm_[A-Za-z0-9]{30,60}/g,
  /pypi-[A-Za-z0-9_-]{30,300}/g,
  /hf_[A-Za-z0-9]{30,60}/g,
  /dop_v1_[a-f0-9]{64}/g,
  /SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}/g,
  /AGE-SECRET-KEY-1[A-Z0-9]{50,60}/g,
  /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\:,]|-(?!----)){1,32000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?/g,
];

// JSON Web Tokens (RFC 7519): header, payload and signature with dots between, the header an object in base64url. They
// are taken apart at the dots: a pattern would read on to the next dot anew from each `eyJ`.
const DOTTED = /[A-Za-z0-9_.-]+/g;
const HEADER = "eyJ";
const LEAST = 8;
const MOST_HEADER = 2000;
const MOST_PAYLOAD = 4000;
const MOST_SIGNATURE = 1000;

// Secrets by what stands before them; the group is the secret.
const CARRIED = [
  /[Bb]earer ([A-Za-z0-9._~+/-]{16,2000}=*)/dg,
  /[Aa]uthorization: {0,3}[Bb]asic ([A-Za-z0-9+/]{4,1000}={0,2})/dg,
  /:\/\/[^\s/?#@:"'<>\\]{0,64}:([^\s/?#@"'<>\\]{1,200})@/dg,
];
const ASSIGNED =
  /(password|passwd|passphrase|pwd|secret|token|key)["']?[ \t]{0,3}[=:][ \t]{0,3}["']?([^\s"'&;,|<>$(){}`\\]{4,200})(?![$(`\\])/dgi;
const KEY_OF = /(?:api|access|account|private|signing|shared|secret)[ _-]?$/i;
const KEY_CHARACTERS = 12;
const ALPHANUMERIC = /[\p{L}\p{N}]/u;

/** Tell whether an argument's name says that its value is a secret (`api_key`, `accessToken`). */
export function isSecretName(name) {
  return SECRET_NAME.test(name.slice(0, MAX_SECRET_CHARACTERS).replace(CAMEL, "_"));
}

/** Return the [start, end] offsets, in order, of what looks like a key, a token or a password in a text. */
export function secretRanges(text) {
  if (text.length < 8) return [];
  const found = [];
  for (const pattern of KEYS) {
    for (const match of text.matchAll(pattern)) {
      if (!followsWord(text, match.index)) {
        found.push([match.index, match.index + match[0].length]);
      }
    }
  }
  if (text.includes(HEADER)) {
    for (const match of text.matchAll(DOTTED)) found.push(...webTokens(text, match.index, match[0].split(".")));
  }
  for (const pattern of CARRIED) for (const match of text.matchAll(pattern)) found.push(match.indices[1]);
  for (const match of text.matchAll(ASSIGNED)) {
    const before = text.slice(Math.max(0, match.index - KEY_CHARACTERS), match.index);
    if (match[1].toLowerCase() !== "key" || KEY_OF.test(before)) found.push(match.indices[2]);
  }
  return united(found.sort((one, other) => one[0] - other[0] || one[1] - other[1]));
}

function followsWord(text, at) {
  return ALPHANUMERIC.test(text.slice(Math.max(0, at - 1), at));
}

/** Return where JSON Web Tokens stand in a text, in what begins at `start` and is made of parts with dots between. */
function webTokens(text, start, parts) {
  const found = [];
  let free = 0;
  for (let number = 0; number + 2 < parts.length; number += 1) {
    const [header, payload, signature] = parts.slice(number, number + 3).map((part) => part.length);
    if (number >= free && payload >= LEAST && payload <= MOST_PAYLOAD && signature >= LEAST) {
      const begin = headerIn(text, start, start + header);
      if (begin >= 0) {
        found.push([begin, start + header + 1 + payload + 1 + Math.min(signature, MOST_SIGNATURE)]);
        free = number + 3;
      }
    }
    start += header + 1;
  }
  return found;
}

/** Return where the header of a token begins that ends at `end`, in a part that begins at `start`; -1 for none. */
function headerIn(text, start, end) {
  const first = Math.max(start, end - HEADER.length - MOST_HEADER);
  const part = text.slice(first, Math.max(first, end - LEAST));
  let at = part.indexOf(HEADER);
  while (at >= 0 && followsWord(text, first + at)) at = part.indexOf(HEADER, at + 1);
  return at < 0 ? -1 : first + at;
}

function united(ranges) {
  const whole = [];
  for (const [first, last] of ranges) {
    const latest = whole.at(-1);
    if (latest !== undefined && first <= latest[1]) latest[1] = Math.max(latest[1], last);
    else whole.push([first, last]);
  }
  return whole;
}

/** Return what stands in the place of a masked text. */
export function mask(characters) {
  return new Line().add(`<${counted(characters)} ${characters === 1 ? "character" : "characters"} masked>`, true);
}
