/** G9: the same cases with the same outcomes as in Python. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf } from "../src/addresses.js";
import { boundResource, canonicalJson, digestOf } from "../src/binding.js";
import { checkBody } from "../src/client.js";
import { Gate } from "../src/gate.js";
import { isIdentifier, isName } from "../src/identifiers.js";
import { blockedResult, blockedText, type Payload } from "../src/payload.js";
import { understood, type CheckResult } from "../src/replies.js";
import { parseStrictJson } from "../src/strict-json.js";
import { inMilliseconds } from "../src/timestamps.js";
import { ALLOW, Scripted } from "./support/checker.js";
import { vectors } from "./support/vectors.js";

const SIGNAL = new AbortController().signal;

function facts(tool: string, given: Record<string, unknown>) {
  return {
    tool,
    arguments: given,
    authInfo: undefined,
    sessionId: undefined,
    context: undefined,
    continues: false,
    requestState: null,
  };
}

interface Canonical {
  name: string;
  json: string;
  canonical: string | null;
  sha256: string;
  resource: string;
  rounded_by_doubles: boolean;
  beyond_doubles: boolean;
}

for (const vector of vectors<Canonical>("canonical")) {
  test(`canonical JSON: ${vector.name}`, async () => {
    const value: unknown = JSON.parse(vector.json);
    const checker = new Scripted(ALLOW);
    const gate = new Gate(checker, { authorizationIdFn: (userId) => userId });

    const verdict = await gate.decide(facts("send", { user_id: "ada", value }), SIGNAL);

    if (vector.canonical === null) {
      assert.throws(() => canonicalJson(value));
    } else if (!vector.rounded_by_doubles) {
      assert.equal(canonicalJson(value), vector.canonical);
      assert.equal(digestOf(vector.canonical), vector.sha256);
      assert.equal(boundResource("send", canonicalJson(value)), vector.resource);
    }
    if (vector.canonical === null || vector.beyond_doubles || vector.name.startsWith("64")) {
      assert.ok(!verdict.allowed); // 64 levels are 65 as a member of the arguments
      assert.deepEqual(verdict.payload, { decision: "deny", reason: "arguments_not_canonical" });
      assert.equal(checker.asked.length, 0);
    } else {
      assert.ok(verdict.allowed);
    }
  });
}

interface Reply {
  name: string;
  status: number;
  content_type: string;
  body?: string;
  body_base64?: string;
  allowed: boolean;
  payload: Payload | null;
  unavailable: boolean;
}

for (const vector of vectors<Reply>("replies")) {
  test(`a reply: ${vector.name}`, async () => {
    const body = Buffer.from(vector.body ?? vector.body_base64 ?? "", vector.body === undefined ? "base64" : "utf8");
    const isJson = vector.content_type.split(";")[0]?.trim().toLowerCase() === "application/json";
    const read = (): CheckResult => understood({ status: vector.status, body, isJson }, "auth_ada", "send");
    const gate = new Gate(new Scripted(read), { authorizationIdFn: (userId) => `auth_${userId}` });

    const verdict = await gate.decide(facts("send", { user_id: "ada" }), SIGNAL);

    assert.equal(verdict.allowed, vector.allowed);
    if (!verdict.allowed) {
      assert.deepEqual(verdict.payload, vector.payload);
      assert.deepEqual(Object.keys(verdict.payload), Object.keys(vector.payload ?? {}));
      assert.equal(verdict.unavailable, vector.unavailable);
    }
  });
}

interface Check {
  name: string;
  tool: string;
  arguments: string;
  check_input: { scope?: string; resource?: string | null; context?: Record<string, unknown>; session_id?: string };
  dialect: "scopes" | "actions";
  bind_arguments: boolean;
  body: string;
}

for (const vector of vectors<Check>("checks")) {
  test(`a check: ${vector.name}`, async () => {
    const checker = new Scripted(ALLOW);
    const { session_id: sessionId, ...check } = vector.check_input;
    const gate = new Gate(checker, {
      authorizationIdFn: (userId) => `auth_${userId}`,
      checkInputFn: () => (sessionId === undefined ? check : { ...check, sessionId }),
      dialect: vector.dialect,
      bindArguments: vector.bind_arguments,
    });

    await gate.decide(facts(vector.tool, JSON.parse(vector.arguments) as Record<string, unknown>), SIGNAL);

    assert.ok(checker.asked[0]);
    assert.equal(checkBody(checker.asked[0]), vector.body);
  });
}

interface Blocked {
  payload: Payload;
  unavailable: boolean;
  text: string;
  result: unknown;
}

test("blocked results", () => {
  for (const vector of vectors<Blocked>("results")) {
    const result = blockedResult(vector.payload, vector.unavailable);

    assert.equal(blockedText(vector.payload), vector.text);
    assert.equal(JSON.stringify(result), JSON.stringify(vector.result));
  }
});

test("strict JSON", () => {
  for (const { json, canonical } of vectors<{ json: string; canonical: string | null }>("strict_json")) {
    const read = (): string => canonicalJson(parseStrictJson(Buffer.from(json)));

    if (canonical === null) {
      assert.throws(read, { name: "StrictJsonError" }, json);
    } else {
      assert.equal(read(), canonical);
    }
  }
});

test("timestamps", () => {
  for (const { text, milliseconds } of vectors<{ text: string; milliseconds: string | null }>("timestamps")) {
    assert.equal(inMilliseconds(text) ?? null, milliseconds, text);
  }
});

test("names of users and authorizations", () => {
  for (const { value, usable } of vectors<{ value: unknown; usable: boolean }>("names")) {
    assert.equal(isName(value), usable, JSON.stringify(value));
  }
});

test("identifiers of the API", () => {
  for (const { value, usable } of vectors<{ value: unknown; usable: boolean }>("identifiers")) {
    assert.equal(isIdentifier(value), usable, JSON.stringify(value));
  }
});

test("base URLs", () => {
  for (const { url, usable } of vectors<{ url: string; usable: boolean }>("base_urls")) {
    const read = (): unknown => addressOf(url);

    if (usable) {
      assert.doesNotThrow(read, url);
    } else {
      assert.throws(read, TypeError, url);
    }
  }
});
