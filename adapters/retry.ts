import pRetry from "p-retry";

/**
 * Asks Google again, thrice, for what got no answer, or one of 429 or 5xx; only for requests that may come twice. Its
 * clients do so themselves where they can, but not everywhere.
 */
export const withRetries = <T>(request: () => Promise<T>): Promise<T> =>
  pRetry(request, {
    retries: 3,
    minTimeout: 500,
    randomize: true,
    shouldRetry: ({ error }) => {
      const { status, code } = error as { status?: unknown; code?: unknown };
      const answered = [status, code].find((known) => typeof known === "number");
      return answered === undefined || answered === 429 || answered >= 500;
    },
  });
