import assert from "node:assert/strict";
import { METRICS, planAlerts } from "./alerts.ts";
import { planNames } from "./names.ts";
import { planSignals } from "./signals.ts";

describe("planSignals", () => {
  const names = planNames({ app: "shop", environment: "dev", project: "shop-dev" });
  const filters = Object.values(planSignals(names));

  it("has a filter for each metric that the alerts watch", () => {
    const alerts = JSON.stringify(
      planAlerts({
        names,
        schedule: { cron: "0 6 * * 1", timeZone: "UTC" },
        runLimit: "3 hours",
        dagId: "shop-dev",
        dailyBytesBilledLimit: 1,
      }),
    );
    const watched = Object.values(METRICS).filter((metric) => alerts.includes(metric));
    assert.equal(watched.length, Object.keys(METRICS).length);
    for (const metric of watched)
      assert.ok(
        filters.some((filter) => filter.includes(metric)),
        metric,
      );
    assert.ok(filters.some((filter) => filter.endsWith(`user/${names.metrics.successes}"`)));
  });
});
