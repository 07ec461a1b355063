/** The invoker with a launcher that only remembers the runs: for npm run bench:load. */
import { setTimeout } from "node:timers/promises";
import { createServer } from "../functions/invoker/server.ts";
import { createLogger } from "../lib/log.ts";

const delay = Number(process.env.DELAY_MS);
const launched = new Set<string>();
const server = createServer({
  launcher: {
    async launch(runId) {
      await setTimeout(delay);
      const isNew = !launched.has(runId);
      launched.add(runId);
      return isNew;
    },
    state: async () => undefined,
  },
  log: createLogger({ component: "invoker" }),
});
server.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => server.close());
