import assert from "node:assert/strict";
import { runDate, runSettings, today } from "./run.ts";

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
});
