import assert from "node:assert/strict";
import { z } from "zod";
import { newRunId, runDate, runId, runIdFor, runSettings, today } from "./run.ts";

describe("run contract", () => {
  it("takes a run date that is today somewhere, and no later one", () => {
    const inTokyo = today("Asia/Tokyo");
    assert.match(inTokyo, /^\d{4}-\d\d-\d\d$/);
    for (const zone of ["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles"])
      assert.equal(runDate.parse(today(zone)), today(zone));
    const last = Date.parse(today("Pacific/Kiritimati"));
    const later = new Date(last + 86_400_000).toISOString().slice(0, 10);
    assert.equal(runDate.safeParse(later).success, false);
  });

  it("takes the day that begins first, 14 hours before UTC's, as the last run date", () => {
    const { now } = Date;
    const messages = (text: string) => runDate.safeParse(text).error?.issues.map(({ message }) => message);
    try {
      Date.now = () => Date.parse("2026-03-02T09:59:59Z");
      assert.equal(messages("2026-03-02"), undefined);
      assert.deepEqual(messages("2026-03-03"), ["must not be after today (2026-03-02)"]);
      Date.now = () => Date.parse("2026-03-02T10:00:00Z");
      assert.equal(messages("2026-03-03"), undefined);
      assert.deepEqual(messages("2026-03-04"), ["must not be after today (2026-03-03)"]);
    } finally {
      Object.assign(Date, { now });
    }
  });

  it("gives one reason for a wrong run date, the first", () => {
    const messages = (text: string) => runDate.safeParse(text).error?.issues.map(({ message }) => message);
    assert.deepEqual(messages("9999"), ["must be a date like 1997-10-01"]);
    assert.deepEqual(messages("0020-01-01"), ["must not be before 1900-01-01"]);
    assert.deepEqual(messages("1899-12-31"), ["must not be before 1900-01-01"]);
  });

  it("is a date in JSON Schema, too", () => {
    assert.equal(z.toJSONSchema(runDate).format, "date");
  });

  it("has today's date in a time zone, in UTC if none is given", () => {
    // At any time, the date differs between two of these.
    for (const zone of ["Pacific/Kiritimati", "Etc/GMT+12"]) {
      const offset = zone === "Etc/GMT+12" ? -12 : 14;
      const expected = () => new Date(Date.now() + offset * 3_600_000).toISOString().slice(0, 10);
      const before = expected();
      assert.ok([before, expected()].includes(today(zone)), zone);
    }
    const before = new Date().toISOString().slice(0, 10);
    assert.ok([before, new Date().toISOString().slice(0, 10)].includes(today()));
  });

  it("reads a run date and settings without a formatter, which takes longer than the rest of a request", () => {
    const { DateTimeFormat } = Intl;
    const { toLocaleDateString } = Date.prototype;
    const refuse = () => assert.fail("A formatter is made.");
    Object.assign(Intl, { DateTimeFormat: refuse });
    Object.assign(Date.prototype, { toLocaleDateString: refuse });
    try {
      runDate.parse("1997-10-01");
      for (const shop_time_zone of ["UTC", "Europe/Paris"]) runSettings.parse({ shop_time_zone });
    } finally {
      Object.assign(Intl, { DateTimeFormat });
      Object.assign(Date.prototype, { toLocaleDateString });
    }
  });

  it("takes time zones by their name", () => {
    const isTaken = (shop_time_zone: string) => runSettings.safeParse({ shop_time_zone }).success;
    assert.ok(["UTC", "Europe/Paris", "Asia/Kolkata", "America/Argentina/Buenos_Aires"].every(isTaken));
    for (const name of ["", "paris", "Mars/Olympus", "+02:00", "UTC+2"])
      assert.equal(isTaken(name), false, name);
  });

  it("takes no run date before 1900, and only dates", () => {
    assert.equal(runDate.safeParse("1900-01-01").success, true);
    for (const wrong of ["1899-12-31", "0020-01-01", "1997-02-29", "1997-10-1", "1997-10-01T00:00:00Z"])
      assert.match(runDate.safeParse(wrong).error?.issues[0]?.message ?? "", /^must /, wrong);
  });

  it("has run ids that are valid for Vertex AI and as labels", () => {
    assert.equal(runIdFor("2026-03-02", 1), "clv-20260302-1");
    assert.match(newRunId("2026-03-02"), /^clv-20260302-m[0-9a-f]{10}$/);
    const isTaken = (id: string) => runId.safeParse(id).success;
    for (const id of [newRunId("2026-03-02"), "a-1", `a${"0".repeat(62)}`]) assert.ok(isTaken(id), id);
    assert.match(runId.safeParse("A").error!.message, /must be 3 to 63 lower-case letters/);
    for (const id of ["a1", `a${"0".repeat(63)}`, "1ab", "-ab", "Abc", "a_b", "abc\n", " abc"])
      assert.equal(isTaken(id), false, id);
  });

  it("has settings with a default and a range each", () => {
    const bounds: Readonly<Record<string, readonly [least: number, most: number, standard: number]>> = {
      horizon_weeks: [1, 520, 39],
      holdout_weeks: [0, 520, 0],
      rfm_window_days: [0, 36_500, 0],
      annual_discount_rate: [0, 1, 0.1],
      max_rejected_share: [0, 1, 0.05],
      promotion_tolerance: [0, 1, 0.02],
      model_customers: [0, 1e9, 1e6],
      max_psi: [0, 1000, 0.2],
      late_orders_days: [0, 36_500, 35],
    };
    const words = { promotion_metric: "count_mae", retrain: "yes", shop_time_zone: "UTC" };
    const defaults = Object.entries(bounds).map(([name, [, , standard]]) => [name, standard]);
    assert.deepEqual(runSettings.parse({}), {
      ...Object.fromEntries(defaults),
      ...{ ...words, refunds: "separate", full_refresh: "off" },
    });
    const isTaken = (name: string, value: unknown) => runSettings.safeParse({ [name]: value }).success;
    for (const [name, [least, most]] of Object.entries(bounds)) {
      // A query of HTTP gives text.
      for (const value of [least, most, String(most)]) assert.ok(isTaken(name, value), `${name} ${value}`);
      for (const value of [least - 1, most + 1, "many"])
        assert.equal(isTaken(name, value), false, `${name} ${value}`);
    }
    assert.equal(isTaken("horizon_weeks", 1.5), false);
    const lists = {
      promotion_metric: ["count_mae", "count_rmse", "top_decile_revenue_share", "spearman", "value_mae"],
      retrain: ["yes", "no"],
      refunds: ["separate", "net"],
      full_refresh: ["off", "on"],
    };
    for (const [name, list] of Object.entries(lists))
      for (const value of list) assert.ok(isTaken(name, value), `${name} ${value}`);
    for (const [name, value] of Object.entries({
      promotion_metric: "",
      retrain: "maybe",
      refunds: "off",
      full_refresh: "yes",
      other: 1,
    }))
      assert.equal(isTaken(name, value), false, name);
    assert.match(runSettings.safeParse({ shop_time_zone: "paris" }).error!.message, /like Europe\/Paris/);
  });
});
