import assert from "node:assert/strict";
import { longestTime, withRetries } from "./retry.ts";

/** Requests that a call sends when the first ones fail with these errors. */
async function requestsAfter(...errors: object[]): Promise<number> {
  let requests = 0;
  const request = async () => {
    const error = errors[requests++];
    if (error !== undefined) throw Object.assign(new Error("failed"), error);
    return "done";
  };
  const result = await withRetries(request, 1).catch((error: Error) => error.message);
  assert.equal(result, requests > errors.length ? "done" : "failed");
  return requests;
}

describe("withRetries", () => {
  it("sends a request again after 429, 5xx and no answer", async () => {
    for (const status of [429, 500, 503, 599]) {
      assert.equal(await requestsAfter({ status }), 2, `status ${status}`);
      assert.equal(await requestsAfter({ code: status }), 2, `code ${status}`);
    }
    assert.equal(await requestsAfter({}), 2);
    assert.equal(await requestsAfter({ code: "ECONNRESET" }), 2);
    assert.equal(await requestsAfter({ code: DOMException.TIMEOUT_ERR }), 2);
    assert.equal(await requestsAfter({ code: "ECONNRESET", status: 403 }), 1);
  });

  it("does not send it again after another answer", async () => {
    for (const status of [400, 403, 404, 428, 430, 499]) {
      assert.equal(await requestsAfter({ status }), 1, `status ${status}`);
      assert.equal(await requestsAfter({ code: status }), 1, `code ${status}`);
    }
  });

  it("sends it four times in all", async () => {
    const busy = { status: 503 };
    assert.equal(await requestsAfter(busy, busy, busy), 4);
    assert.equal(await requestsAfter(busy, busy, busy, busy), 4);
  });

  it("waits longer each time, about half a second at first unless set", async () => {
    const startedAt = performance.now();
    await withRetries(failing(1));
    const first = performance.now() - startedAt;
    assert.ok(first >= 490 && first < 5000, `${first} ms`);
    const secondAt = performance.now();
    await withRetries(failing(3), 20);
    const three = performance.now() - secondAt;
    assert.ok(three >= 135, `20 + 40 + 80 ms, ${three}`);
  });
});

describe("longestTime", () => {
  it("is that of four requests and three waits, each of twice its length", () => {
    assert.equal(longestTime(1000), 4 * 1000 + 2 * (500 + 1000 + 2000));
    assert.equal(longestTime(0, 20), 2 * (20 + 40 + 80));
  });
});

function failing(times: number) {
  let left = times;
  return async () => {
    if (left-- > 0) throw new Error("failed");
  };
}
