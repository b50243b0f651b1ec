/** A real authority, as a process of its own, and what the people do who answer its questions. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import type { Result } from "./servers.js";

const REPOSITORY = fileURLToPath(new URL("../../../../../", import.meta.url));
const PROGRAM = process.env["ALLOWLY_HARNESS"] ?? join(REPOSITORY, ".venv", "bin", "allowly-harness");
const KEY = "allowly_l1_s001_test_0123456789abcdef";

/** What a user may do, by tool. */
export interface Rules {
  allow?: string[];
  confirm?: string[];
  escalate?: string[];
}

/** A running authority. */
export class Authority {
  readonly apiKey = KEY;
  readonly baseUrl: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(baseUrl: string, process: ChildProcess, folder: string) {
    this.baseUrl = baseUrl;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(): Promise<Authority> {
    const folder = await mkdtemp(join(tmpdir(), "allowly-"));
    const started = spawn(PROGRAM, ["authority", "serve", "--port", "0", "--db", join(folder, "authority.db")], {
      env: { PATH: process.env["PATH"], HOME: folder, ALLOWLY_KEY: KEY },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve, reject) => {
      createInterface(started.stdout).once("line", resolve);
      started.once("error", reject);
      started.once("exit", (code) => {
        reject(new Error(`the authority ended with ${String(code)}`));
      });
    });
    return new Authority((JSON.parse(line) as { base_url: string }).base_url, started, folder);
  }

  async stop(): Promise<void> {
    this.#process.kill();
    await once(this.#process, "exit");
    await rm(this.#folder, { recursive: true });
  }

  /** Authorize somebody new; the id of the authorization is their name here. */
  async grant({ allow = [], confirm = [], escalate = [] }: Rules): Promise<string> {
    const made = await this.#post("/v1/authorizations", {
      user_id: "ada",
      agent_id: "agent",
      scopes: [...allow, ...confirm, ...escalate].map((name) => ({ name })),
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      requires_confirm_for: confirm,
      requires_escalation_for: escalate,
      escalation_targets: Object.fromEntries(escalate.map((name) => [name, "compliance"])),
    });
    return made["authorization_id"] as string;
  }

  /** Answer the question in a blocked result. */
  async answer({ structuredContent = {} }: Result, yes = true): Promise<void> {
    if (structuredContent["decision"] === "confirm") {
      await this.#post(`/v1/confirmations/${String(structuredContent["confirm_nonce"])}`, { approved: yes });
      return;
    }
    const resolution = yes ? "approved" : "rejected";
    const path = `/v1/escalations/${String(structuredContent["escalation_id"])}/resolve`;
    await this.#post(path, { resolution, resolved_by: "compliance" });
  }

  async #post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
    const response = await fetch(this.baseUrl + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) {
      throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
    }
    return (await response.json()) as Record<string, unknown>;
  }
}
