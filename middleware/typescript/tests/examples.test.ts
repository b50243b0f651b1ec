/** What the functions of the page give. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { CallFacts } from "../src/index.js";
import { verifiedUser } from "../examples/http-users.js";

function call(more: Partial<CallFacts>): CallFacts {
  return {
    tool: "send_money",
    arguments: {},
    authInfo: undefined,
    sessionId: undefined,
    context: undefined,
    continues: false,
    requestState: null,
    ...more,
  };
}

test("without a verified token there is no user", () => {
  const authInfo = { token: "t", clientId: "c", scopes: [] };

  assert.equal(verifiedUser(call({})), null);
  assert.equal(verifiedUser(call({ authInfo })), null);
  assert.equal(verifiedUser(call({ authInfo: { ...authInfo, extra: { sub: "ada" } } })), "ada");
});

test("the check of the page names scope and amount", async () => {
  process.env["ALLOWLY_KEY"] = "allowly_test_key";
  const { checkInput } = await import("../examples/check-input.js");

  assert.deepEqual(checkInput(call({ arguments: { amount: 4.6 } })), { scope: "mail.send", context: { amount: 5 } });
  assert.deepEqual(checkInput(call({ tool: "read" })), { scope: null, context: { amount: 0 } });
});
