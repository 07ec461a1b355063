import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { ProjectCopy } from "./project-copy.ts";
import { skipUnlessInstalled } from "./skip-unless-installed.ts";

describe("bring your own model", () => {
  describe("examples/churn, a fork in miniature", () => {
    let copy: ProjectCopy;
    before(() => {
      copy = new ProjectCopy();
    });
    after(() => copy.close());

    const readme = readFileSync(new URL("../examples/churn/README.md", import.meta.url), "utf8");
    const commands = /```sh\n([\s\S]*?)```/.exec(readme)![1]!.trim().split("\n");
    for (const command of commands) it(command, async () => void (await copy.run(command)));

    it("marketing's table has a churn risk for each customer, lower for those who were there last", async () => {
      const instance = await DuckDBInstance.create();
      const connection = await instance.connect();
      const mart = join(copy.folder, "out/rfm.parquet");
      const reader = await connection.runAndReadAll(
        `SELECT CAST(COUNT(*) AS INTEGER), CAST(COUNT(churn_risk) AS INTEGER), MIN(churn_risk), MAX(churn_risk),
           CORR(churn_risk, recency_days) FROM '${mart}'`,
      );
      connection.closeSync();
      const [customers, known, least, most, correlation] = reader.getRows()[0] as number[];
      assert.deepEqual([customers, known], [23_570, 23_570]);
      assert.ok(least! >= 0 && most! <= 1 && most! - least! > 0.5, `${least} to ${most}`);
      assert.ok(correlation! > 0.2, String(correlation));
    });
  });

  if (skipUnlessInstalled("npm run new-job", ["Python 3.10 or later"])) return;
  it("npm run new-job makes candidates that pass the tests at once, in both languages", async () => {
    const copy = new ProjectCopy();
    try {
      await assert.rejects(copy.run("npm run new-job -- train"), /A step of the pipeline is called train/);
      await copy.run("npm run new-job -- spender");
      await copy.run("npm run new-job -- big-spender --language typescript");
      const printed = await copy.run(
        'npx mocha --no-config --timeout 300000 --grep "spender|of candidates" jobs/candidates.test.ts jobs/images.test.ts',
      );
      for (const name of ["spender", "big-spender"])
        assert.match(printed, RegExp(`the candidate ${name}\\n.*gives one prediction for each customer`));

      // It ends before it reports anything.
      await copy.run("echo 'import package_of_the_notebook' > jobs/spender/main.py");
      await assert.rejects(
        copy.run("npm start -- --candidates spender"),
        /failed in step spender\..*No module named 'package_of_the_notebook'.*Its log: .*spender-\*\.log/s,
      );
    } finally {
      copy.close();
    }
  });
});
