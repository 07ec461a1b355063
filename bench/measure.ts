import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setInterval } from "node:timers";

/** What a command took and printed. */
export interface Measured {
  readonly seconds: number;
  /** The most memory that one of its processes held, MB; undefined where there is no /proc. */
  readonly peakMb: number | undefined;
  readonly stdout: string;
}

/** Runs a command to its end. @throws Error with what it printed on stderr when it fails. */
export async function measure(command: string, ...args: readonly string[]): Promise<Measured> {
  const startedAt = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let peakMb: number | undefined;
  const timer = setInterval(() => {
    for (const pid of descendants(child.pid!)) {
      const held = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1];
      if (held !== undefined) peakMb = Math.max(peakMb ?? 0, Number(held) / 1024);
    }
  }, 50);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stderr.slice(-2000)}`);
  return { seconds: (performance.now() - startedAt) / 1000, peakMb, stdout };
}

/** Memory that a process and those that it started hold now, MB; undefined where there is no /proc. */
export function residentMb(pid: number): number | undefined {
  const held = descendants(pid).map((each) => /VmRSS:\s+(\d+) kB/.exec(read(`/proc/${each}/status`))?.[1]);
  return held.includes(undefined) ? undefined : held.reduce((sum, kb) => sum + Number(kb) / 1024, 0);
}

/** A process and all that it started, by the parents that /proc names. */
function descendants(root: number): number[] {
  const all = [root];
  for (const pid of all) {
    for (const children of globSync(`/proc/${pid}/task/*/children`))
      all.push(...read(children).split(" ").filter(Boolean).map(Number));
  }
  return all;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
