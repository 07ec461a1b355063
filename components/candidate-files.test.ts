import assert from "node:assert/strict";
import { candidateFiles } from "./candidate-files.ts";

/** The name of a resource in a condition of IAM, with its function extract. */
class Name extends String {
  extract(template: string): string {
    const [before = "", after = ""] = template.split(/\{\w+\}/);
    const start = this.indexOf(before) + before.length;
    const end = after === "" ? this.length : this.indexOf(after, start);
    return this.includes(before) && end >= start ? this.slice(start, end) : "";
  }
}

/** Conditions here have only what means the same in CEL and JavaScript. */
const allows = (expression: string, path?: string): boolean => {
  const name = new Name(`projects/_/buckets/b${path === undefined ? "" : `/objects/${path}`}`);
  const type = `storage.googleapis.com/${path === undefined ? "Bucket" : "Object"}`;
  return new Function("resource", `return ${expression};`)({ name, type });
};

describe("files of candidates", () => {
  const files = candidateFiles("b");
  const run = "runs/clv-20260302-1";
  const outputs = `${run}/123456789/clv-20260302-1`;
  const reads = [
    `${outputs}/examples_-42/examples/part-0.parquet`,
    `${outputs}/examples_7/champion/0.parquet`,
  ];
  const writes = [
    `${outputs}/boosting_-43/predictions/part-0.parquet`,
    `${outputs}/boosting_-43/executor_output.json`,
    `${run}/steps/boosting.json`,
    "models/boosting-0123456789ab/production.joblib",
  ];
  const others = [
    "pipeline.json",
    "models/bgnbd-0123456789ab/model.json",
    "models/boosting",
    `${run}/steps/train.json`,
    `${run}/steps/notboosting.json`,
    `${outputs}/train_-44/model/model.json`,
    `${outputs}/train_-44/executor_output.json`,
    `${outputs}/averages_-45/predictions/part-0.parquet`,
    `${outputs}/boosting-2_-46/predictions/part-0.parquet`,
    `other/${outputs}/boosting_-43/predictions/part-0.parquet`,
    `other/${outputs}/examples_-42/examples/part-0.parquet`,
    "steps/boosting.json",
  ];

  it("are listed and read where the step examples writes them", () => {
    const { expression } = files.examples();
    assert.ok(allows(expression), "list");
    for (const path of reads) assert.ok(allows(expression, path), path);
    for (const path of [...writes, ...others]) assert.ok(!allows(expression, path), path);
  });

  it("are written where they belong to the candidate, and nowhere else", () => {
    const { expression } = files.written("boosting");
    assert.ok(!allows(expression), "the bucket");
    for (const path of writes) assert.ok(allows(expression, path), path);
    for (const path of [...reads, ...others]) assert.ok(!allows(expression, path), path);
  });

  it("keep within the length and the 12 operators that IAM allows", () => {
    for (const { title, description, expression } of [files.examples(), files.written("averages")]) {
      assert.match(title, /^.{1,100}$/);
      assert.match(description, /\.$/);
      assert.ok((expression.match(/&&|\|\||!(?!=)/g) ?? []).length <= 12);
    }
  });
});
