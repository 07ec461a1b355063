import ora, { type Ora } from "ora";
import { elapsed } from "./report/numbers.ts";

/** Shows on stderr which step runs and how long it has taken. */
export class Progress {
  readonly #visible: boolean;
  #spinner: Ora | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;

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
      spinner.text = `${step} ${elapsed(performance.now() - this.#startedAt)}`;
    }, 100).unref();
  }

  succeed(step: string, detail: string): void {
    const took = elapsed(performance.now() - this.#startedAt);
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
