/** The table of open places, against a clock of the test's own. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CONTINUATION_MS, Continuations, MAX_CONTINUATIONS } from "../src/continuations.js";

test("a place is taken once", () => {
  const open = new Continuations();
  open.put("leg", "key");

  assert.deepEqual([open.take("leg"), open.take("leg"), open.take("other")], ["key", undefined, undefined]);
});

test("equal legs keep their places apart, the oldest first", () => {
  const open = new Continuations();
  open.put("leg", "one");
  open.put("leg", "two");

  assert.deepEqual([open.take("leg"), open.take("leg"), open.take("leg")], ["one", "two", undefined]);
});

test("a place that is too old is none, and a younger one behind it is", () => {
  let now = 0;
  const open = new Continuations(() => now);
  open.put("leg", "old");
  now = CONTINUATION_MS - 1;
  open.put("leg", "young");
  now = CONTINUATION_MS;

  assert.deepEqual([open.take("leg"), open.take("leg")], ["young", undefined]);
});

test("beyond the limit the oldest is forgotten", () => {
  const open = new Continuations();
  for (let index = 0; index <= MAX_CONTINUATIONS; index += 1) {
    open.put(String(index), "key");
  }

  assert.deepEqual([open.take("0"), open.take("1"), open.take(String(MAX_CONTINUATIONS))], [undefined, "key", "key"]);
});
