import assert from "node:assert/strict";
import { pushEnvelope, runEvent, runRequest } from "./messages.ts";
import { runSettings } from "./run.ts";

describe("messages", () => {
  const request = { run_id: "clv-19971001-1", run_date: "1997-10-01" };
  const event = {
    ...request,
    ...{ status: "failed", failed_step: "train", reason: "No memory.", steps: [] },
    finished_at: "2026-03-02T06:00:00Z",
  };
  const message = { data: Buffer.from(JSON.stringify(request)).toString("base64"), messageId: "1" };
  const push = { message, subscription: "projects/p/subscriptions/requests" };

  it("of a request need a run id and a date, and get the defaults of the settings that they do not give", () => {
    const complete = { ...runSettings.parse({}), ...request };
    assert.deepEqual(runRequest.parse(request), complete);
    assert.deepEqual(runRequest.parse({ ...request, horizon_weeks: "4" }), { ...complete, horizon_weeks: 4 });
    for (const wrong of [{ run_id: "1" }, { run_date: "1997" }, { horizon_weeks: 0 }, { weeks: 4 }])
      assert.equal(runRequest.safeParse({ ...request, ...wrong }).success, false, JSON.stringify(wrong));
    for (const missing of ["run_id", "run_date"])
      assert.equal(runRequest.safeParse({ ...request, [missing]: undefined }).success, false, missing);
  });

  it("of an event say how the run ended", () => {
    for (const status of ["succeeded", "failed", "cancelled"])
      assert.equal(runEvent.parse({ ...event, status }).status, status);
    assert.equal(runEvent.parse({ ...event, failed_step: null, reason: null }).reason, null);
    for (const wrong of [{ status: "running" }, { finished_at: "yesterday" }, { steps: [{}] }, { more: 1 }])
      assert.equal(runEvent.safeParse({ ...event, ...wrong }).success, false, JSON.stringify(wrong));
  });

  it("are pushed in Pub/Sub's envelope, of which other fields are ignored", () => {
    const parsed = pushEnvelope.parse({
      ...push,
      deliveryAttempt: 2,
      message: { ...message, publishTime: "x" },
    });
    assert.deepEqual(parsed, { ...push, deliveryAttempt: 2, message: { ...message, attributes: {} } });
    for (const data of ["", "not base64!"]) {
      const wrong = { ...push, message: { ...message, data } };
      assert.equal(pushEnvelope.safeParse(wrong).success, false, data);
    }
    const empty = pushEnvelope.safeParse({ ...push, message: { ...message, data: "" } });
    assert.match(empty.error!.message, /must not be empty/);
    for (const wrong of [{ message: undefined }, { subscription: undefined }, { deliveryAttempt: 1.5 }])
      assert.equal(pushEnvelope.safeParse({ ...push, ...wrong }).success, false, JSON.stringify(wrong));
  });
});
