import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Milliseconds. */
const TIME_LIMIT = 20_000;

// Each check reads one or two fields of another API's response.
// biome-ignore lint/suspicious/noExplicitAny: a type for each response would say no more than the check
export type Response = any;

/** Runs programs of this machine and calls Google Cloud's APIs with the login of gcloud. */
export class CloudClient {
  #token: Promise<string> | undefined;

  /** Returns what the program prints. Throws an Error with the code ENOENT when the program is not installed. */
  async run(...[program = "", ...args]: readonly string[]): Promise<string> {
    try {
      return (await promisify(execFile)(program, args, { timeout: TIME_LIMIT })).stdout.trim();
    } catch (error) {
      const { code, killed, stderr, message } = error as Error & Record<string, string>;
      if (code === "ENOENT") throw error;
      if (killed) throw new Error(`${program} did not answer within ${TIME_LIMIT / 1000} s`);
      throw new Error(stderr?.trim() || message);
    }
  }

  /** Sends GET, or POST when there is a body. The URL has no https://. Returns undefined for 403 and 404. */
  async call(url: string, body?: object): Promise<Response | undefined> {
    this.#token ??= this.run("gcloud", "auth", "print-access-token");
    const response = await fetch(`https://${url}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Bearer ${await this.#token}`, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(TIME_LIMIT),
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (response.ok) return response.json();
    if ([403, 404].includes(response.status)) return undefined;
    const text = (await response.text()).slice(0, 300);
    throw new Error(`${url.split("/")[0]} returned ${response.status}: ${text}`);
  }
}
