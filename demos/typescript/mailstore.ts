/** Mail that is really delivered: one Maildir per address below one folder. Nothing leaves the machine. */

import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MAX_BODY_CHARACTERS = 100_000;
const MAX_SUBJECT_CHARACTERS = 500;
const MAX_LISTED = 100;

// An address becomes a folder's name, so nothing that could climb out of the root is let in.
const ADDRESS = /^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){1,8}$/;

/** One delivered message. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly body: string;
}

/** The mailboxes below one folder. */
export class MailStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Deliver a message and return its id. */
  async deliver({ to, subject, body }: Mail): Promise<string> {
    const folder = this.#folder(to);
    const id = `<${randomUUID()}@demo.example>`;
    const message = written({ to, subject, body }, id);
    for (const part of ["tmp", "new", "cur"]) {
      await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
    }
    const name = `${String(Date.now())}.${randomUUID()}.demo`;
    await writeFile(join(folder, "tmp", name), message, { flag: "wx" });
    await rename(join(folder, "tmp", name), join(folder, "new", name));
    return id;
  }

  /** Return the messages of one mailbox, at most 100; empty where there is none. */
  async read(address: string): Promise<Mail[]> {
    const files = await this.#files(address);
    const mails = await Promise.all(
      files.slice(0, MAX_LISTED).map(async (file) => parsed(await readFile(file, "utf8"), address)),
    );
    return mails.sort((one, other) => (one.subject + one.body < other.subject + other.body ? -1 : 1));
  }

  /** Delete a mailbox with everything in it; return how many messages it held. */
  async delete(address: string): Promise<number> {
    const { length } = await this.#files(address);
    await rm(this.#folder(address), { recursive: true, force: true });
    return length;
  }

  async #files(address: string): Promise<string[]> {
    const folders = ["new", "cur"].map((part) => join(this.#folder(address), part));
    const listed = await Promise.all(
      folders.map(async (folder) => (await readdir(folder).catch(() => [])).map((name) => join(folder, name))),
    );
    return listed.flat().sort();
  }

  #folder(address: string): string {
    if (!ADDRESS.test(address)) {
      throw new Error(`${JSON.stringify(address)} is not an address like ada@example.com`);
    }
    return join(this.#root, address);
  }
}

function written({ to, subject, body }: Mail, id: string): string {
  if (subject.length > MAX_SUBJECT_CHARACTERS || /[\r\n]/.test(subject)) {
    throw new Error(`a subject is one line of at most ${String(MAX_SUBJECT_CHARACTERS)} characters`);
  }
  if (body.length > MAX_BODY_CHARACTERS) {
    throw new Error(`a body has at most ${String(MAX_BODY_CHARACTERS)} characters`);
  }
  const encoded = Buffer.from(`${body}\n`).toString("base64").replace(/.{76}/g, "$&\n");
  return [
    "From: assistant@demo.example",
    `To: ${to}`,
    `Subject: ${/^[ -~]*$/.test(subject) ? subject : `=?utf-8?b?${Buffer.from(subject).toString("base64")}?=`}`,
    `Date: ${new Date().toUTCString()}`,
    `Message-ID: ${id}`,
    "MIME-Version: 1.0",
    'Content-Type: text/plain; charset="utf-8"',
    "Content-Transfer-Encoding: base64",
    "",
    encoded,
    "",
  ].join("\n");
}

function parsed(source: string, to: string): Mail {
  const [head = "", ...rest] = source.split("\n\n");
  const header = (name: string): string => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1] ?? "";
  const raw = rest.join("\n\n");
  const body = header("Content-Transfer-Encoding") === "base64" ? Buffer.from(raw, "base64").toString("utf8") : raw;
  const subject = header("Subject").replace(/^=\?utf-8\?b\?(.*)\?=$/, (_, text: string) =>
    Buffer.from(text, "base64").toString(),
  );
  return { to, subject, body: body.replace(/\n+$/, "") };
}
