import assert from "node:assert/strict";
import { jsonOrText } from "./json.ts";
import { mapValues } from "./map-values.ts";

describe("jsonOrText", () => {
  it("parses JSON, and returns other text as it is", () => {
    assert.deepEqual(jsonOrText('{"a":[1,null]}'), { a: [1, null] });
    for (const text of ["", "{", "europe-west1"]) assert.equal(jsonOrText(text), text);
  });
});

describe("mapValues", () => {
  it("changes values by value and name, and keeps the order of names", () => {
    const changed = mapValues({ b: 1, a: 2 }, (value, name) => `${name}${value}`);
    assert.deepEqual(Object.entries(changed), [
      ["b", "b1"],
      ["a", "a2"],
    ]);
  });
});
