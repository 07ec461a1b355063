import assert from "node:assert/strict";
import { columnsOf } from "../../test/columns.ts";
import { customersBy, everyNthCustomer, fitStatistics, totalOf } from "./fit-statistics.ts";

const statistics = (counts: readonly number[]) =>
  columnsOf(
    ["x", "customers"],
    counts.map((customers, x) => ({ x, customers })),
  );

describe("customersBy", () => {
  it("adds up the customers of each number of purchases", () => {
    assert.deepEqual([...customersBy(Float64Array.of(3, 0, 3), Float64Array.of(2, 5, 1))], [5, 0, 0, 3]);
    assert.deepEqual([...customersBy(Float64Array.of(), Float64Array.of())], []);
  });
});

describe("fitStatistics", () => {
  /** Of an exponential distribution, whose maximum is at one over the mean. It notes how many rows it gets. */
  const exponential =
    (seen: number[]) =>
    ({ rate }: { rate: number }, { x, customers }: ReturnType<typeof statistics>) => {
      seen.push(x.length);
      const [n, sum] = [totalOf(customers), totalOf(customers, x)];
      return {
        value: n * Math.log(rate) - rate * sum,
        gradient: [n / rate - sum],
        hessian: [[-n / rate ** 2]],
      };
    };
  const rows = statistics(Array.from({ length: 100 }, (_, i) => 1 + (i % 3)));
  const maximum = totalOf(rows.customers) / totalOf(rows.customers, rows.x);
  const fitRows = (limits?: { startRows: number; iterations: number }) => {
    const seen: number[] = [];
    return { ...fitStatistics(rows, exponential(seen), { rate: 0.001 }, limits), seen };
  };

  it("takes all rows at once where they are few", () => {
    for (const limits of [undefined, { startRows: 51, iterations: 100 }]) {
      const { parameters, converged, seen } = fitRows(limits);
      assert.ok(converged && Math.abs(parameters.rate / maximum - 1) < 1e-9, `${parameters.rate}`);
      assert.deepEqual([...new Set(seen)], [100]);
    }
  });

  it("starts with every n-th row of many, so that fewer passes over all are left", () => {
    const { parameters, converged, seen } = fitRows({ startRows: 50, iterations: 100 });
    assert.ok(converged && Math.abs(parameters.rate / maximum - 1) < 1e-9, `${parameters.rate}`);
    assert.deepEqual([...new Set(seen)], [50, 100]);
    const passes = seen.filter((length) => length === 100).length;
    assert.ok(passes < fitRows().seen.length, `${passes}`);
  });

  it("starts where it would have started if the first rows have no maximum", () => {
    const { parameters, converged } = fitRows({ startRows: 50, iterations: 1 });
    assert.equal(converged, false);
    assert.ok(parameters.rate < maximum, `${parameters.rate}`);
  });
});

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
