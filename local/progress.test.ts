import assert from "node:assert/strict";
import { secondsLeft } from "./progress.ts";

describe("secondsLeft", () => {
  it("goes on at the pace of the steps before", () => {
    const [first, second] = [
      secondsLeft({ orders: 5 }, "features", 0),
      secondsLeft({ orders: 5, features: 9 }, "train", 0),
    ];
    assert.ok(Math.abs(first! - second! - 9) < 1e-9, `${first} ${second}`);
    assert.equal(secondsLeft({ orders: 10 }, "features", 0), 2 * first!);
  });

  it("counts down while a step runs, to what the later steps need", () => {
    const took = { orders: 5, features: 9, train: 10, score: 5.5, backtest: 4.5 };
    const left = secondsLeft(took, "publish", 0)!;
    assert.ok(Math.abs(left - 2) < 1e-9, `${left}`);
    assert.ok(Math.abs(secondsLeft(took, "publish", 1.5)! - 0.5) < 1e-9);
    assert.equal(secondsLeft(took, "publish", 60), 0);
  });

  it("is not known before the first step, nor in a step of a candidate", () => {
    assert.equal(secondsLeft({}, "orders", 3), undefined);
    assert.equal(secondsLeft({ orders: 5 }, "spender", 3), undefined);
  });
});
