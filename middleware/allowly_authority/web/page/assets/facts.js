// What a card says: the same facts in the same order as the card of the terminal. The call comes first, then why and by
// whom it is asked, what a yes opens, and who must approve; each fact beside where it comes from.

import { moment } from "./clock.js";
import { element, foreign } from "./dom.js";
import { JsonWriter, parse } from "./jsontext.js";
import { isSecretName } from "./secrets.js";
import { counted, identifier, mixedAlphabets, oneLine } from "./text.js";

const BOUND = /^mcp:(.{1,256})#sha256:([0-9a-f]{64})$/su;

/** Return the tool and the digest that a question is bound to; `null` where it is bound to no call. */
export function bound(item) {
  const found = BOUND.exec(item.resource ?? "");
  return found === null ? null : { tool: found[1], digest: found[2] };
}

/** Return what a question is about in a few words, for lists. */
export function headline(item) {
  const about = bound(item);
  return about === null ? oneLine(item.scope, { limit: 120 }) : identifier(about.tool);
}

/** Compare a call with the digest of its question. Returns "page", "authority" or "mismatch": who could say so. */
export async function verify(item, call) {
  const about = bound(item);
  if (about === null || call.matches !== true || call.tool !== about.tool) return "mismatch";
  if (globalThis.crypto?.subtle === undefined) return "authority"; // a browser has it over TLS, and on this computer
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(call.canonical)));
  const digest = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digest === about.digest ? "page" : "mismatch";
}

/** Build the facts of a question, as sections in the order of reading. `call` is `null` where none was handed in. */
export function sections(item, { call, proof, me, revealed, asciiOnly }) {
  return [
    callSection(item, call, { revealed, asciiOnly }),
    section("Why it asks", [
      ["decision", "another person must approve", "escalate"],
      ["for", foreign(oneLine(item.user_id, { limit: 120 })), "the user; the authority's record"],
      ["by", foreign(oneLine(item.agent_id, { limit: 120 })), "the agent; the authority's record"],
      ["under", foreign(oneLine(item.authorization_id, { limit: 128 })), "the authority's record"],
      ["asked", moment(item.created_at), "the authority's clock"],
      ["until", moment(item.expires_at), "the authority's deadline"],
    ]),
    opensSection(item, call, proof),
    approverSection(item, me),
  ];
}

function section(heading, rows, { note, warning } = {}) {
  const list = element("dl", {});
  for (const [label, value, remark, warns] of rows) list.append(row(label, value, remark, warns));
  const made = element("section", { class: warning ? "warning" : "" }, element("h3", {}, heading));
  if (note !== undefined) made.append(element("p", { class: "note" }, note));
  made.append(list);
  return made;
}

function row(label, value, remark = "", warns = false) {
  const term = element("dt", {}, label);
  const said = element("dd", {}, value);
  if (remark !== "") said.append(" ", element("span", { class: warns ? "remark warns" : "remark" }, remark));
  return element("div", { class: "row" }, term, said);
}

function callSection(item, call, { revealed, asciiOnly }) {
  if (call === null) return unseenSection(item);
  const tool = identifier(call.tool, { limit: 256 });
  const rows = [["tool", foreign(tool), nameRemarks(tool, call.tool), tool.odd]];
  if (call.server !== "") {
    rows.push(["server", foreign(oneLine(call.server, { limit: 100 })), "the asker's own name for it; nobody checked it"]);
  }
  const made = section("What will be sent", rows);
  const shown = argumentRows(call.canonical, { revealed, asciiOnly });
  made.dataset.masked = String(shown.masked);
  made.append(element("h4", {}, "Arguments"));
  made.append(shown.rows.length > 0 ? element("dl", { class: "arguments" }, ...shown.rows) : element("p", {}, "(no arguments)"));
  return made;
}

function nameRemarks(line, name) {
  return [line.odd ? "unusual name, look closely" : "", mixedAlphabets(name)].filter((said) => said !== "").join("; ");
}

/** Return every argument in full, as rows, and how many secrets in them are masked. */
export function argumentRows(canonical, { revealed = false, asciiOnly = false } = {}) {
  const node = parse(canonical);
  if (node.kind !== "object") throw new SyntaxError("the arguments are no object");
  let masked = 0;
  const rows = node.members.map(([name, value]) => {
    const writer = new JsonWriter({ revealed, asciiOnly });
    writer.write(value, isSecretName(name));
    masked += writer.masked;
    return argumentRow(name, writer, canonicalText(value));
  });
  return { rows, masked };
}

function argumentRow(name, writer, texts) {
  const label = identifier(name, { limit: 256 });
  const { lines } = writer;
  const hidden = writer.hidden + lines.reduce((sum, { line }) => sum + line.hidden, 0);
  const remarks = [];
  if (hidden > 0) remarks.push(`${counted(hidden)} hidden ${hidden === 1 ? "character" : "characters"}`);
  if (lines.some(({ line }) => line.rightToLeft)) remarks.push("right-to-left text");
  if (label.odd) remarks.push("unusual name");
  const mixed = mixedAlphabets(name) || mixedAlphabets(texts);
  if (mixed !== "") remarks.push(mixed);
  const value = element("div", { class: "value" });
  for (const { indent, line } of lines) {
    value.append(element("div", { class: `line indent-${indent}` }, foreign(line)));
  }
  const made = element("div", { class: "row" }, element("dt", {}, foreign(label)), element("dd", {}, value));
  if (remarks.length > 0) made.lastChild.append(element("p", { class: "remark warns" }, remarks.join("; ")));
  return made;
}

function canonicalText(node) {
  if (node.kind === "string") return node.value;
  if (node.kind === "array") return node.items.map(canonicalText).join(" ");
  if (node.kind === "object") return node.members.map(([name, value]) => `${name} ${canonicalText(value)}`).join(" ");
  return "";
}

function unseenSection(item) {
  const about = bound(item);
  const rows = [["scope", foreign(oneLine(item.scope, { limit: 200 }))]];
  if (about !== null) {
    const tool = identifier(about.tool, { limit: 256 });
    rows.unshift(["tool", foreign(tool), nameRemarks(tool, about.tool), tool.odd]);
    rows.push(["arguments", "not known here", "only their SHA-256 is: whoever asks did not hand them in", true]);
  } else if (item.resource !== null) {
    rows.push(["resource", foreign(oneLine(item.resource, { limit: 2000 }))]);
  }
  const note = about !== null
    ? "You cannot see what will be sent. A yes is a yes to arguments that you have not read."
    : "This question names no single call, so there are no arguments to show.";
  return section("What will be sent", rows, { note, warning: true });
}

function opensSection(item, call, proof) {
  const about = bound(item);
  if (about === null) {
    const scope = foreign(oneLine(item.scope, { limit: 120 }));
    const opened = element("span", {}, "NOT ONLY ONE CALL: ", scope, " with any arguments, once");
    return section("A yes opens", [["opens", opened, "the authority's record", true]], { warning: true });
  }
  const checked = { page: "checked by this page and by the authority", authority: "checked by the authority alone" };
  const what = call === null ? "only one call, with arguments that are not shown, once" : "only this call, with these arguments, once";
  const groups = about.digest.match(/.{4}/g).join(" ");
  return section("A yes opens", [
    ["opens", what, call === null ? "the authority's record" : checked[proof]],
    ["sha256", element("code", {}, groups), "of the arguments; a yes is bound to it"],
  ], { warning: call === null });
}

function approverSection(item, me) {
  const named = item.escalation_to;
  const rows = named === null
    ? [["approver", "nobody is named", "", true]]
    : [["approver", foreign(oneLine(named, { limit: 120 })), me.names.includes(named) ? "you" : "somebody else", !me.names.includes(named)]];
  const needed = item.approvals_needed ?? 1;
  if (needed > 1) {
    rows.push(["approvals", `${item.approvals ?? 0} of ${needed}`, "each from another person"]);
    for (const name of item.approved_by ?? []) rows.push(["approved by", foreign(oneLine(name, { limit: 120 }))]);
  }
  return section("Who must approve", rows);
}
