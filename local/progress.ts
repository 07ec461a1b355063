import ora, { type Ora } from "ora";
import { elapsed, sum, whole } from "./report/numbers.ts";

/** Seconds that a step takes for a million orders. Only their proportions count: they tell what is left after some steps. */
const WORK: Readonly<Record<string, number>> = {
  orders: 1,
  features: 1.8,
  train: 2,
  score: 1.1,
  backtest: 0.9,
  publish: 0.4,
};

/** Seconds until the last step ends, by what the steps before took; undefined before the first one, and of other steps. */
export function secondsLeft(
  took: Readonly<Record<string, number>>,
  step: string,
  running: number,
): number | undefined {
  const done = Object.keys(took).filter((name) => name in WORK);
  const work = sum(done.map((name) => WORK[name]!));
  if (work === 0 || !(step in WORK)) return undefined;
  const pace = sum(done.map((name) => took[name]!)) / work;
  const later = Object.keys(WORK).filter((name) => name !== step && !done.includes(name));
  return Math.max(pace * WORK[step]! - running, 0) + pace * sum(later.map((name) => WORK[name]!));
}

/** A shorter wait needs no estimate, seconds. */
const SHORT = 10;

/** Shows on stderr which step runs, how long it has taken, and how long all of them will. */
export class Progress {
  readonly #visible: boolean;
  #spinner: Ora | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  readonly #took: Record<string, number> = {};

  constructor(visible: boolean) {
    this.#visible = visible;
  }

  start(step: string): void {
    this.#end();
    this.#startedAt = performance.now();
    // Without a terminal nothing can turn. The line at the end is enough.
    if (!this.#visible || !process.stderr.isTTY) return;
    const spinner = ora({ text: step, discardStdin: false }).start();
    this.#spinner = spinner;
    this.#timer = setInterval(() => {
      const running = performance.now() - this.#startedAt;
      const left = secondsLeft(this.#took, step, running / 1000) ?? 0;
      const estimate = left < SHORT ? "" : `, about ${whole(left)} s left`;
      spinner.text = `${step} ${elapsed(running)}${estimate}`;
    }, 100).unref();
  }

  succeed(step: string, detail: string): void {
    this.#took[step] = (performance.now() - this.#startedAt) / 1000;
    const took = elapsed(this.#took[step] * 1000);
    if (this.#visible) (this.#spinner ?? ora()).succeed(`${step.padEnd(10)}${took.padStart(7)}  ${detail}`);
    this.#end();
    this.#startedAt = performance.now();
  }

  warn(text: string): void {
    if (this.#visible) (this.#spinner ?? ora()).warn(text);
    this.#end();
  }

  fail(text: string): void {
    (this.#spinner ?? ora()).fail(text);
    this.#end();
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#spinner?.stop();
    this.#spinner = undefined;
  }
}
