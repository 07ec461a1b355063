import assert from "node:assert/strict";
import { columnsOf } from "../../test/columns.ts";
import { everyNthCustomer, totalOf } from "./fit-statistics.ts";

const statistics = (counts: readonly number[]) =>
  columnsOf(
    ["x", "customers"],
    counts.map((customers, x) => ({ x, customers })),
  );

describe("everyNthCustomer", () => {
  it("takes all customers where there are few rows", () => {
    const { x, customers } = everyNthCustomer(statistics([5, 1, 3]), 3);
    assert.deepEqual(
      [[...x], [...customers]],
      [
        [0, 1, 2],
        [5, 1, 3],
      ],
    );
  });

  it("takes rows by their customers, up to the limit", () => {
    // Every third of the 10 customers, the first of them the third one
    const { x, customers } = everyNthCustomer(statistics([5, 1, 1, 1, 1, 1]), 4);
    assert.deepEqual(
      [[...x], [...customers]],
      [
        [0, 1, 4],
        [1, 1, 1],
      ],
    );
  });

  it("keeps the shares of the customers", () => {
    const counts = Array.from({ length: 5000 }, (_, i) => 1 + (i % 7 === 0 ? 90 : 0));
    const all = statistics(counts);
    const some = everyNthCustomer(all, 1000);
    assert.ok(some.x.length <= 1000 && some.x.length > 500, `${some.x.length} rows`);
    const [mean, meanOfSome] = [all, some].map(
      ({ x, customers }) => totalOf(customers, x) / totalOf(customers),
    );
    assert.ok(Math.abs(meanOfSome! / mean! - 1) < 0.01, `${meanOfSome} is not ${mean}`);
  });
});
