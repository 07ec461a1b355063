import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { checkRequest } from "./google-apis/check.ts";

/**
 * What happens to a request: the proxy answers with this HTTP status, or breaks the connection before the server gets the
 * request (refused) or after (lost), or delays the answer by these milliseconds.
 */
export type Fault = number | "refused" | "lost" | { readonly late: number };

export interface FaultProxy {
  readonly endpoint: string;
  /** All requests so far, like "POST /path". */
  readonly requests: string[];
  /** What Google's own description of the API does not allow in the requests so far. */
  readonly wrong: string[];
  /** Adds faults for the next requests that match, one each. The proxy forwards all others. */
  fail(matching: RegExp, ...faults: Fault[]): void;
  /** Fails every so many requests that match, with one fault after the other. Returns the number of faults so far. */
  failEvery(count: number, matching: RegExp, ...faults: Fault[]): () => number;
  /** Clears the requests and the remaining faults. */
  reset(): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy that injects faults between a client and a server. With the host of the API for which the server stands,
 * it checks the requests by Google's description of the API.
 */
export async function startFaultProxy(target: string, host?: string): Promise<FaultProxy> {
  const requests: string[] = [];
  const wrong: string[] = [];
  let planned: { matching: RegExp; fault: Fault }[] = [];
  let regular = (_line: string): Fault | undefined => undefined;
  const forward = async (request: IncomingMessage, body: Buffer) => {
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
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    if (host !== undefined) {
      const isJson = /^application\/json/.test(request.headers["content-type"] ?? "");
      const parsed = isJson && body.length > 0 ? JSON.parse(body.toString()) : undefined;
      const url = `https://${host}${request.url}`;
      wrong.push(...checkRequest({ method: request.method!, url, body: parsed }).problems);
    }
    const index = planned.findIndex(({ matching }) => matching.test(line));
    const fault = index < 0 ? regular(line) : planned.splice(index, 1)[0]!.fault;
    if (fault === "refused") return request.socket.destroy();
    if (typeof fault === "number") {
      const error = {
        code: fault,
        message: `injected ${fault}`,
        errors: [{ reason: "injected", message: `injected ${fault}` }],
      };
      return response.writeHead(fault, { "content-type": "application/json" }).end(JSON.stringify({ error }));
    }
    const answer = await forward(request, body).catch(() => undefined);
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
    requests,
    wrong,
    fail(matching, ...faults) {
      planned = [...planned, ...faults.map((fault) => ({ matching, fault }))];
    },
    failEvery(count, matching, ...faults) {
      let seen = 0;
      regular = (line) => {
        if (!matching.test(line)) return undefined;
        seen += 1;
        return seen % count === 0 ? faults[(seen / count - 1) % faults.length] : undefined;
      };
      return () => Math.floor(seen / count);
    },
    reset() {
      requests.length = 0;
      planned = [];
      regular = () => undefined;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
