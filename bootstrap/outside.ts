import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A question that takes longer, milliseconds, is given up. */
const TIME_LIMIT = 20_000;

// Answers of a dozen APIs, of which each check looks at a field or two.
// biome-ignore lint/suspicious/noExplicitAny: as said
export type Answer = any;

/** What of the world is asked: programs of this machine, and Google Cloud's APIs with gcloud's login. */
export interface Outside {
  /** What the program prints. Throws an Error with code ENOENT when there is no such program. */
  run(...command: readonly string[]): Promise<string>;
  /** The API's answer to GET, or to POST where there is a body; undefined when it says 403 or 404. The URL is without https:// */
  ask(url: string, body?: object): Promise<Answer | undefined>;
}

export function outside(): Outside {
  let token: Promise<string> | undefined;
  return { run, ask };

  async function run(...[program = "", ...args]: readonly string[]): Promise<string> {
    try {
      return (await promisify(execFile)(program, args, { timeout: TIME_LIMIT })).stdout.trim();
    } catch (error) {
      const { code, killed, stderr, message } = error as Error & Record<string, string>;
      if (code === "ENOENT") throw error;
      throw new Error(
        killed ? `${program} gave no answer in ${TIME_LIMIT / 1000} s` : stderr?.trim() || message,
      );
    }
  }

  async function ask(url: string, body?: object): Promise<Answer | undefined> {
    token ??= run("gcloud", "auth", "print-access-token");
    const response = await fetch(`https://${url}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Bearer ${await token}`, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(TIME_LIMIT),
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (response.ok) return response.json();
    if ([403, 404].includes(response.status)) return undefined;
    throw new Error(
      `${url.split("/")[0]} answered ${response.status}: ${(await response.text()).slice(0, 300)}`,
    );
  }
}
