/**
 * For node --import, before a step's program: one call of the step's warehouse has the fault of the variable WAREHOUSE_FAULT.
 * The step prints what was injected when it was, and how it calls its warehouse when it ends.
 */
import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { type Kind, type Manner, withFault } from "./injection.ts";

export interface WarehouseFault {
  readonly kind: Kind;
  /** The call that has it; the first is 0. */
  readonly call: number;
  /** For "late": the step does nothing else either, so only the launcher can end it. */
  readonly blocks: boolean;
}

/** The calls of a step. */
export interface Calls {
  readonly count: number;
  /** Those that another call can overtake, because it starts before they end. */
  readonly together: readonly number[];
  /** From the start of the process to its end. */
  readonly seconds: number;
}

/** A line of the step's output, as JSON. */
export type Line = { readonly injected: Kind; readonly calls: Calls };

/** Milliseconds that a call waits for another one to overtake it. */
const HELD = 1000;

const fault: WarehouseFault | undefined = JSON.parse(process.env.WAREHOUSE_FAULT ?? "null") ?? undefined;
const together = new Set<number>();
const current = new Set<number>();
let started = 0;
let ended = 0;

/** Writes at once: the step may be killed next. */
const print = (line: Partial<Line>) => writeSync(1, `${JSON.stringify(line)}\n`);

/** Makes the next call, with its fault if it has one. */
async function next<T>(call: () => Promise<T>, truncate?: (answer: T) => T): Promise<T> {
  const number = started++;
  current.add(number);
  if (current.size > 1) for (const each of current) together.add(each);
  try {
    return await (fault?.call === number ? faulty(fault, call, truncate) : call());
  } finally {
    current.delete(number);
    ended += 1;
  }
}

async function faulty<T>(
  { kind, blocks }: WarehouseFault,
  call: () => Promise<T>,
  truncate?: (answer: T) => T,
): Promise<T> {
  let happened = true;
  const manner: Manner = {
    // DuckDB's file has one process, and that sends a statement again only after the first try.
    async twice(call) {
      await call();
      return await call();
    },
    async held() {
      const before = ended;
      for (let wait = 0; ended === before && wait < HELD; wait += 5) await setTimeout(5);
      happened = ended > before;
    },
    async late(call) {
      await call();
      print({ injected: kind });
      if (blocks) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return await new Promise(() => {});
    },
  };
  try {
    return await withFault(kind, call, truncate, manner);
  } finally {
    if (happened) print({ injected: kind });
  }
}

process.on("exit", () =>
  print({ calls: { count: started, together: [...together], seconds: performance.now() / 1000 } }),
);

const { prototype } = DuckDbWarehouse;
for (const name of ["materialize", "columns", "replaceRows", "exportParquet", "replaceByParquet"] as const) {
  const method = prototype[name] as (...args: unknown[]) => Promise<unknown>;
  Object.assign(prototype, {
    [name](this: DuckDbWarehouse, ...args: unknown[]) {
      return next(() => method.apply(this, args));
    },
  });
}
// Queries use it too.
const { stream } = prototype;
prototype.stream = async function* (...args) {
  const answer = await next(
    async () => ({ rows: await Array.fromAsync(stream.apply(this, args)), isWhole: true }),
    ({ rows }) => ({ rows: rows.slice(0, rows.length / 2), isWhole: false }),
  );
  yield* answer.rows;
  if (!answer.isWhole) throw new Error("injected: truncated");
};
