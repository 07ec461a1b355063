/** Faults between two parts of the system, planned by a seed: the same seed plans the same faults for the same runs. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import type { ArtifactStore } from "../../contracts/artifacts.ts";
import type { Launcher } from "../../contracts/launcher.ts";
import type { Messenger } from "../../contracts/messages.ts";

export const BOUNDARIES = ["Messenger", "invoker", "launcher", "artifact store", "BigQuery"] as const;
export type Boundary = (typeof BOUNDARIES)[number];

/**
 * What happens to a call. "error after": it was done, but the caller saw an error. "reorder": later calls overtake it.
 * "late": it is done after the caller's deadline. "truncated": it was done, but the answer is only a part.
 */
export const KINDS = ["error before", "error after", "duplicate", "reorder", "late", "truncated"] as const;
export type Kind = (typeof KINDS)[number];

/** How often a run calls each boundary, about. */
const CALLS: Readonly<Record<Boundary, number>> = {
  Messenger: 2,
  invoker: 3,
  launcher: 3,
  "artifact store": 10,
  BigQuery: 2,
};

/** Milliseconds. A caller's deadline must be shorter than LATE, and longer than an answer takes on a busy machine. */
export const LATE = 4000;
const OVERTAKEN = 50;

/** What depends on the boundary: how a call is done twice, is held, or is late. */
export interface Manner {
  twice<T>(call: () => Promise<T>): Promise<T>;
  held(): Promise<void>;
  late<T>(call: () => Promise<T>): Promise<T>;
}

/** Between processes a call can arrive twice at the same time, and after its caller gave up. */
const BETWEEN_PROCESSES: Manner = {
  twice: async (call) => (await Promise.all([call(), call()]))[0],
  held: () => setTimeout(OVERTAKEN),
  async late(call) {
    await setTimeout(LATE);
    return await call();
  },
};

/** Makes a call with a fault. A truncated answer is by default one that can't be read. */
export async function withFault<T>(
  kind: Kind,
  call: () => Promise<T>,
  truncate: (answer: T) => T = () => {
    throw new SyntaxError("Unexpected end of JSON input");
  },
  { twice, held, late }: Manner = BETWEEN_PROCESSES,
): Promise<T> {
  if (kind === "error before") throw new Error("injected: not done");
  if (kind === "reorder") await held();
  const answer = await (kind === "duplicate" ? twice(call) : kind === "late" ? late(call) : call());
  if (kind === "error after") throw new Error("injected: done");
  return kind === "truncated" ? truncate(answer) : answer;
}

/** The faults of each run that are left, and the number of those that were injected, by boundary and kind. */
export class Faults {
  readonly injected = new Map<string, number>();
  readonly #planned = new Map<
    string,
    { boundary: Boundary; kind: Kind; calls: number; happened?: boolean }[]
  >();

  /**
   * Plans up to three faults for a run, each at one of the run's calls of a boundary. By the number of the run, the first one
   * goes through all boundaries, kinds and calls.
   */
  plan(runId: string, number: number, random: () => number): void {
    const below = (limit: number) => Math.floor(random() * limit);
    const pairs = BOUNDARIES.flatMap((boundary) => KINDS.map((kind) => ({ boundary, kind })));
    const { boundary, kind } = pairs[number % pairs.length]!;
    const first = { boundary, kind, calls: Math.floor(number / pairs.length) % CALLS[boundary] };
    const more = Array.from({ length: below(3) }, () => {
      const pair = pairs[below(pairs.length)]!;
      return { ...pair, calls: below(CALLS[pair.boundary]) };
    });
    this.#planned.set(runId, [first, ...more]);
  }

  /** How many calls of the run had a fault of this kind at the boundary. */
  had(runId: string, boundary: Boundary, kind: Kind): number {
    const happened = (this.#planned.get(runId) ?? []).filter((fault) => fault.happened);
    return happened.filter((fault) => fault.boundary === boundary && fault.kind === kind).length;
  }

  /** Makes a call of the run at the boundary, with the fault that is planned for it. */
  async call<T>(
    boundary: Boundary,
    runId: string | undefined,
    call: () => Promise<T>,
    truncate?: (answer: T) => T,
  ): Promise<T> {
    const kind = this.#next(boundary, runId);
    return await (kind === undefined ? call() : withFault(kind, call, truncate));
  }

  #next(boundary: Boundary, runId: string | undefined): Kind | undefined {
    const planned = this.#planned.get(runId ?? "") ?? [];
    const here = planned.filter((fault) => fault.boundary === boundary);
    const due = here.find(({ calls }) => calls === 0);
    for (const fault of here) fault.calls -= 1;
    if (due === undefined) return undefined;
    due.happened = true;
    const name = `${boundary}: ${due.kind}`;
    this.injected.set(name, (this.injected.get(name) ?? 0) + 1);
    return due.kind;
  }
}

export const faultyMessenger = (messenger: Messenger, faults: Faults): Messenger => ({
  publish: (topic, data, attributes) =>
    faults.call("Messenger", attributes.run_id, () => messenger.publish(topic, data, attributes)),
  subscribe: (topic, filter, signal) => messenger.subscribe(topic, filter, signal),
  close: () => messenger.close(),
});

export const faultyLauncher = (launcher: Launcher, faults: Faults): Launcher => ({
  launch: (runId, parameters) => faults.call("launcher", runId, () => launcher.launch(runId, parameters)),
  state: (runId) => faults.call("launcher", runId, () => launcher.state(runId)),
});

export function faultyArtifacts(artifacts: ArtifactStore, faults: Faults): ArtifactStore {
  // A run's first file is written in a folder of another name.
  const runOf = (url: string, text = ""): string | undefined =>
    (/"run_id": "([^"]+)"/.exec(text) ?? /\/runs\/([^/]+)\//.exec(url))?.[1];
  return {
    read: (url) =>
      faults.call(
        "artifact store",
        runOf(url),
        () => artifacts.read(url),
        (text) => text?.slice(0, text.length / 2),
      ),
    write: (url, text) => faults.call("artifact store", runOf(url, text), () => artifacts.write(url, text)),
  };
}

export interface Proxy {
  readonly url: string;
  close(): Promise<void>;
}

/** An HTTP proxy with the faults of a boundary. The request's path or body names the run. */
export async function startFaultyProxy(target: string, boundary: Boundary, faults: Faults): Promise<Proxy> {
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const forward = async (): Promise<Answer> => {
      const answer = await fetch(target + request.url, {
        method: request.method ?? "GET",
        ...(body.length > 0 && { body: new Uint8Array(body) }),
        headers: { "content-type": request.headers["content-type"] ?? "" },
      });
      const type = answer.headers.get("content-type") ?? "";
      return { status: answer.status, type, text: await answer.text(), truncated: false };
    };
    const truncate = (answer: Answer): Answer => ({ ...answer, truncated: true });
    try {
      const answer = await faults.call(boundary, runOf(request.url!, body.toString()), forward, truncate);
      send(answer, request, response);
    } catch {
      request.socket.destroy();
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly truncated: boolean;
}

function send(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  const { status, type, text, truncated } = answer;
  const headers = type === "" ? {} : { "content-type": type };
  if (!truncated) return void response.writeHead(status, headers).end(text);
  const whole = `HTTP/1.1 ${status} -\r\ncontent-type: ${type}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  // An answer without a body ends in its headers.
  request.socket.end(whole.slice(0, text === "" ? 20 : -text.length / 2));
}

function runOf(path: string, body: string): string | undefined {
  if (body === "") return /\/(?:runs|jobs)\/(fault-\d+-\d+)/.exec(path)?.[1];
  const { message, attributes, configuration } = JSON.parse(body);
  return (configuration?.labels ?? message?.attributes ?? attributes)?.run_id;
}
