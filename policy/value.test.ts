import assert from "node:assert/strict";
import fc from "fast-check";
import { at, isEmpty, plain, texts, UNKNOWN, type Value } from "./value.ts";

describe("values", () => {
  const properties = {
    name: "a",
    list: [1, null],
    get later() {
      throw new Error("not known yet");
    },
  };

  it("are copied, with a mark where they can't be read", () => {
    assert.deepEqual(plain(properties), { name: "a", list: [1, null], later: UNKNOWN });
    assert.deepEqual(plain({ template: properties }), { template: plain(properties) });
    fc.assert(fc.property(fc.jsonValue(), (json) => assert.deepEqual(plain({ json }), { json })));
  });

  it("are found by path", () => {
    const value = plain(properties);
    assert.equal(at(value, "list.0"), 1);
    assert.equal(at(value, "later.anything"), UNKNOWN);
    for (const path of ["nothing", "list.1.x", "name.length", "toString", "list.length"])
      assert.equal(at(value, path), path === "list.length" ? 2 : undefined);
  });

  it("are listed by their texts, those in JSON too", () => {
    const value: Value = {
      members: ["a", UNKNOWN],
      policy: '{"roles": [["b"]]}',
      text: "{not JSON",
      indented: ' {"role": "c"}',
      quoted: '"[d]"',
      nothing: null,
      count: 1,
    };
    assert.deepEqual(
      [...texts(value)],
      [
        { path: "members.0", key: "members", text: "a" },
        { path: "policy.roles.0.0", key: "roles", text: "b" },
        { path: "text", key: "text", text: "{not JSON" },
        { path: "indented.role", key: "role", text: "c" },
        { path: "quoted", key: "quoted", text: '"[d]"' },
      ],
    );
    assert.deepEqual([...texts("alone")], [{ path: "", key: "", text: "alone" }]);
  });

  it("are empty if nothing is set", () => {
    for (const empty of [undefined, null, ""]) assert.equal(isEmpty(empty), true, String(empty));
    for (const value of [0, false, "a", UNKNOWN, [], {}]) assert.equal(isEmpty(value), false, String(value));
  });
});
