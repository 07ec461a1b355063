import assert from "node:assert/strict";
import fc from "fast-check";
import protobuf from "protobufjs";
import { z } from "zod";
import { runEvent, runRequest } from "../contracts/messages.ts";
import { protocolBuffer } from "./pubsub-schema.ts";

const typeOf = (name: string, message: z.ZodType) =>
  protobuf.parse(protocolBuffer(name, message), { keepCase: true }).root.resolveAll().lookupType(name);

const word = fc.string({ maxLength: 8 });
const nullable = fc.option(word);
const record = <T>(values: fc.Arbitrary<T>) =>
  fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), values, { maxKeys: 3, noNullPrototype: true });
const event = fc.record({
  run_id: fc.constant("clv-1"),
  run_date: fc.constant("1997-10-01"),
  status: fc.constantFrom("succeeded", "failed", "cancelled"),
  failed_step: nullable,
  reason: nullable,
  finished_at: fc.constant("2026-01-01T00:00:00Z"),
  steps: fc.array(
    fc.record({
      step: word,
      status: fc.constantFrom("running", "succeeded", "failed"),
      started_at: fc.constant("2026-01-01T00:00:00Z"),
      finished_at: fc.option(fc.constant("2026-01-01T00:00:00Z")),
      rows: record(fc.nat()),
      bytes_billed: fc.maxSafeNat(),
      warnings: fc.array(word, { maxLength: 2 }),
      outputs: record(word),
      error: nullable,
    }),
    { maxLength: 3 },
  ),
});

/** Protocol Buffers keep null as not set. */
const withoutNulls = (value: unknown) => JSON.parse(JSON.stringify(value, (_, each) => each ?? undefined));

describe("Pub/Sub schema", () => {
  it("of a message is its contract's fields, in order", () => {
    assert.equal(
      protocolBuffer("RunRequest", runRequest),
      `syntax = "proto2";
message RunRequest {
  required string run_id = 1;
  required string run_date = 2;
  optional int64 horizon_weeks = 3;
  optional int64 holdout_weeks = 4;
  optional int64 rfm_window_days = 5;
  optional double annual_discount_rate = 6;
  optional double max_rejected_share = 7;
  enum PromotionMetric { count_mae = 0; count_rmse = 1; top_decile_revenue_share = 2; spearman = 3; value_mae = 4; }
  optional PromotionMetric promotion_metric = 8;
  optional double promotion_tolerance = 9;
  enum Retrain { yes = 0; no = 1; }
  optional Retrain retrain = 10;
  optional string shop_time_zone = 11;
  enum Refunds { separate = 0; net = 1; }
  optional Refunds refunds = 12;
  optional int64 model_customers = 13;
  optional double max_psi = 14;
  optional int64 late_orders_days = 15;
  enum FullRefresh { off = 0; on = 1; }
  optional FullRefresh full_refresh = 16;
}
`,
    );
    const { Steps } = typeOf("RunEvent", runEvent).nested ?? {};
    assert.ok(Steps instanceof protobuf.Type);
    assert.deepEqual(
      Object.values(Steps.fields).map(({ name, type, required, repeated, map }) => [
        name,
        type,
        required ? "required" : repeated ? "repeated" : map ? "map" : "optional",
      ]),
      [
        ["step", "string", "required"],
        ["status", "Status", "required"],
        ["started_at", "string", "required"],
        ["finished_at", "string", "optional"],
        ["rows", "int64", "map"],
        ["bytes_billed", "int64", "required"],
        ["warnings", "string", "repeated"],
        ["outputs", "string", "map"],
        ["error", "string", "optional"],
      ],
    );
  });

  it("carries every event that the contract allows, unchanged", () => {
    const type = typeOf("RunEvent", runEvent);
    fc.assert(
      fc.property(event, (given) => {
        const message = runEvent.parse(given);
        const wire = type.encode(type.fromObject(withoutNulls(message))).finish();
        const back = type.toObject(type.decode(wire), { enums: String, longs: Number });
        const carried = runEvent.parse({
          failed_step: null,
          reason: null,
          ...back,
          steps: (back.steps ?? []).map((step: object) => ({
            finished_at: null,
            error: null,
            rows: {},
            warnings: [],
            outputs: {},
            ...step,
          })),
        });
        assert.deepEqual(carried, message);
      }),
      { numRuns: 50 },
    );
  });

  it("requires what the contract requires, and takes a request of a date alone", () => {
    const type = typeOf("RunRequest", runRequest);
    assert.equal(type.verify({ run_id: "clv-1", run_date: "1997-10-01" }), null);
    assert.match(type.verify({ run_id: "clv-1" }) ?? "", /run_date/);
    assert.match(
      type.verify({ run_id: "clv-1", run_date: "1997-10-01", horizon_weeks: 1.5 }) ?? "",
      /horizon_weeks/,
    );
  });

  it("is refused for what Protocol Buffers can't express", () => {
    const messages = [z.object({ any: z.any() }), z.object({ either: z.union([z.string(), z.number()]) })];
    for (const message of messages)
      assert.throws(() => protocolBuffer("Message", message), /no type for (any|either)/);
  });
});
