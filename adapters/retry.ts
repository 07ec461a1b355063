import pRetry from "p-retry";

const RETRIES = 3;

/**
 * Sends a request up to four times: again when there is no answer, or when the status is 429 or 5xx. Use it only for requests
 * that can arrive twice without harm, and only where a client does not retry on its own.
 */
export const withRetries = <T>(request: () => Promise<T>, minTimeout = 500): Promise<T> =>
  pRetry(request, {
    retries: RETRIES,
    minTimeout,
    randomize: true,
    shouldRetry: ({ error }) => {
      const { status, code } = error as { status?: unknown; code?: unknown };
      // The code of a time-out is a number too, but not an HTTP status: DOMException.TIMEOUT_ERR is 23.
      const answer = [status, code]
        .filter((known) => typeof known === "number")
        .find((known) => known >= 100);
      return answer === undefined || answer === 429 || answer >= 500;
    },
  });

/**
 * The longest time in milliseconds that withRetries takes if each request takes `timeout`: the waits double, and a random
 * factor of up to two lengthens each.
 */
export const longestTime = (timeout: number, minTimeout = 500): number =>
  (RETRIES + 1) * timeout + 2 * minTimeout * (2 ** RETRIES - 1);
