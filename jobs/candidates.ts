import { closest } from "fastest-levenshtein";
import { UserError } from "../lib/user-error.ts";

/**
 * Models that can score instead of the built-in one: each a job of any language, which takes Parquet files and gives
 * Parquet files (docs/own-model.md). A candidate is its folder in jobs/ and its entry here. The setting `candidates`
 * turns it on.
 */
export interface CandidateDefinition {
  readonly description: string;
  /** python: main.py and requirements.lock. typescript: main.ts. */
  readonly language: "python" | "typescript";
  readonly timeLimitSeconds: number;
  /** Its machine on Vertex AI: cloud.google.com/vertex-ai/docs/training/configure-compute#machine-types */
  readonly machine: string;
}

const definitions = {
  boosting: {
    description: "Gradient boosting of scikit-learn",
    language: "python",
    timeLimitSeconds: 1800,
    machine: "e2-standard-4",
  },
  averages: {
    description: "Mean purchases of customers with a like recency and frequency",
    language: "typescript",
    timeLimitSeconds: 1800,
    machine: "e2-standard-4",
  },
} satisfies Record<string, CandidateDefinition>;

export type Candidate = keyof typeof definitions;
export const CANDIDATES: Readonly<Record<Candidate, CandidateDefinition>> = definitions;

/** The candidates of a list like "boosting,other". @throws UserError that names the unknown one and the nearest */
export const parseCandidates = (names: string): Candidate[] =>
  names.split(",").map((text) => {
    const known = Object.keys(definitions) as Candidate[];
    const name = text.trim();
    const found = known.find((candidate) => candidate === name);
    if (found !== undefined) return found;
    throw new UserError(
      `There is no candidate ${JSON.stringify(name)}; the nearest is ${closest(name, known)}.`,
      {
        remedy: `Candidates are: ${known.join(", ")}. npm run new-job -- NAME makes another one.`,
      },
    );
  });
