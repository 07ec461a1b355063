import assert from "node:assert/strict";
import { type Duration, googleDuration, toSeconds } from "./duration.ts";

describe("duration", () => {
  const seconds: Record<Duration, number> = {
    "1 second": 1,
    "90 seconds": 90,
    "1 minute": 60,
    "1.5 minutes": 90,
    "1 hour": 3600,
    "12 hours": 43200,
    "1 day": 86400,
    "31 days": 2678400,
  };
  for (const [duration, expected] of Object.entries(seconds))
    it(`${duration} is ${expected} seconds`, () => assert.equal(toSeconds(duration as Duration), expected));

  it("is written for Google in seconds", () => assert.equal(googleDuration("7 days"), "604800s"));
});
