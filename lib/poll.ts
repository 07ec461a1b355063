import { setTimeout } from "node:timers/promises";

export interface WaitOptions {
  /** Longest time, milliseconds. */
  readonly timeLimit: number;
  /** Milliseconds between two requests. */
  readonly pollInterval: number;
  readonly signal?: AbortSignal;
}

/** Asks until there is an answer; undefined after the time limit. */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  { timeLimit, pollInterval, signal }: WaitOptions,
): Promise<T | undefined> {
  for (const end = Date.now() + timeLimit; ; ) {
    const answer = await ask();
    if (answer !== undefined || Date.now() > end) return answer;
    await setTimeout(pollInterval, undefined, signal === undefined ? {} : { signal });
  }
}
