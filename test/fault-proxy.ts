import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";

/** What goes wrong with a request: a status instead of an answer, no connection, done but the answer lost, an answer that is late. */
export type Fault = number | "refused" | "lost" | { readonly late: number };

export interface FaultyServer {
  readonly endpoint: string;
  /** Requests that came, as «POST /path». */
  readonly asked: string[];
  /** The next requests that match fail so, one after another; all others are passed on. */
  fail(matching: RegExp, ...faults: Fault[]): void;
  /** Forgets what was asked, and the faults that did not happen. */
  reset(): void;
  close(): Promise<void>;
}

/** Stands between a client and a server, and injects faults by kind. */
export async function startFaultyServer(target: string): Promise<FaultyServer> {
  const asked: string[] = [];
  let planned: { matching: RegExp; fault: Fault }[] = [];
  const pass = async (request: IncomingMessage, body: Buffer) => {
    const headers = new Headers(
      Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]),
    );
    for (const name of ["connection", "content-length", "expect", "host", "transfer-encoding"])
      headers.delete(name);
    const method = request.method ?? "GET";
    return await fetch(target + request.url, {
      method,
      headers,
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
  };
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const what = `${request.method} ${request.url}`;
    asked.push(what);
    const index = planned.findIndex(({ matching }) => matching.test(what));
    const fault = index < 0 ? undefined : planned.splice(index, 1)[0]!.fault;
    if (fault === "refused") return request.socket.destroy();
    if (typeof fault === "number") {
      const error = {
        code: fault,
        message: `injected ${fault}`,
        errors: [{ reason: "injected", message: `injected ${fault}` }],
      };
      return response.writeHead(fault, { "content-type": "application/json" }).end(JSON.stringify({ error }));
    }
    const answer = await pass(request, body).catch(() => undefined);
    if (answer === undefined) return request.socket.destroy();
    const text = Buffer.from(await answer.arrayBuffer());
    if (fault === "lost") return request.socket.destroy();
    if (fault !== undefined) await setTimeout(fault.late);
    const type = answer.headers.get("content-type");
    response.writeHead(answer.status, type === null ? {} : { "content-type": type }).end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    fail(matching, ...faults) {
      planned = [...planned, ...faults.map((fault) => ({ matching, fault }))];
    },
    reset() {
      asked.length = 0;
      planned = [];
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
