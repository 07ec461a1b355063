import assert from "node:assert/strict";
import { createLogger } from "../contracts/log.ts";
import { airflowHome, runDag } from "./airflow.ts";
import { type Cloud, cdnow, Loop, startCloud } from "./loop.ts";

describe("the loop under Airflow", () => {
  let cloud: Cloud;
  before(async () => {
    cloud = await startCloud();
  });
  after(() => cloud?.close());

  it("runs CDNOW", async () => {
    const t = Date.now();
    const lap = (s: string): void => console.log(s, Date.now() - t);
    const loop = await Loop.make(cloud, {
      project: "cdnow",
      log: createLogger({ component: "local" }, "warn"),
    });
    lap("made");
    await loop.loadOrders(cdnow());
    lap("loaded");
    await loop.listen({ onTask: (_, e) => lap(JSON.stringify(e)) });
    const home = await airflowHome(2, loop.settings());
    lap("home");
    const run = await runDag(2, home, "1997-10-01T06:00:00+02:00", { env: loop.airflowEnv });
    lap("run");
    console.log(run.log.slice(-12000));
    console.log(run.state, run.tasks, run.plan);
    await loop.close();
    assert.equal(run.state, "success");
  });
});
