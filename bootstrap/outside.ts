import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A question that takes longer, seconds, is given up. */
const TIME_LIMIT = 20;

/** What of the world the doctor asks: programs of this machine, and Google Cloud's APIs. */
export interface Outside {
  /** What the program prints. Throws an Error with code ENOENT when there is no such program. */
  run(...command: readonly string[]): Promise<string>;
  /** The API's answer: GET, or POST where there is a body. Throws Refused. */
  ask(url: string, body?: object): Promise<Answer>;
}
// Answers of a dozen APIs, of which a field or two are looked at.
// biome-ignore lint/suspicious/noExplicitAny: each check reads what it knows of
export type Answer = any;

/** An API's answer that is no answer to the question. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The world, with gcloud's login. */
export function outside(): Outside {
  let token: Promise<string> | undefined;
  return { run, ask };

  async function run(...[program = "", ...args]: readonly string[]): Promise<string> {
    try {
      return (await promisify(execFile)(program, args, { timeout: TIME_LIMIT * 1000 })).stdout.trim();
    } catch (error) {
      const { code, killed, stderr, message } = error as Error & Record<string, string>;
      if (code === "ENOENT") throw error;
      const why = killed ? `${program} gave no answer in ${TIME_LIMIT} s` : stderr?.trim().split("\n")[0];
      throw new Error(why || message);
    }
  }

  async function ask(url: string, body?: object): Promise<Answer> {
    token ??= run("gcloud", "auth", "print-access-token");
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Bearer ${await token}`, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(TIME_LIMIT * 1000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = text.startsWith("{") ? JSON.parse(text) : {};
    if (response.ok) return answer;
    throw new Refused(response.status, answer.error?.message ?? `${new URL(url).host}: ${response.status}`);
  }
}
