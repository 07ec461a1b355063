// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .sqlx files have them
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Config } from "../src/config.ts";

/** The configuration of the project below. */
export const config: Config = {
  parameters: { run_date: { type: "DATE", value: "2024-01-01" } },
  routines: [
    {
      name: "double",
      parameters: [{ name: "x", type: "FLOAT64" }],
      returns: "FLOAT64",
      description: "Two times x.",
      call: (x) => 2 * x!,
    },
  ],
  duckdb: true,
};

const FILES: Readonly<Record<string, string>> = {
  "workflow_settings.yaml": "defaultProject: shop\ndefaultDataset: rfm\ndefaultLocation: EU\n",
  "includes/rank.js": "module.exports = (value) => `RANK() OVER (ORDER BY ${value})`;\n",
  "definitions/sources.js": `declare({
  database: "shop",
  schema: "raw",
  name: "orders",
  description: "Orders.",
  columns: {
    order_id: { description: "Id.", tags: ["STRING"] },
    customer_id: { description: "Customer.", tags: ["STRING"] },
    ordered_at: { description: "Time.", tags: ["TIMESTAMP"] },
    amount: { description: "Amount.", tags: ["FLOAT64"] },
  },
});
`,
  "definitions/staging/purchases.sqlx": `config {
  type: "view",
  description: "A customer's day.",
}

SELECT
  customer_id,
  DATE(ordered_at) AS purchased_on,
  SUM(amount) AS value
FROM
  \${ref("orders")}
GROUP BY
  customer_id,
  purchased_on
`,
  "definitions/staging/purchases.test.yaml": `- name: all orders of a day are one purchase
  given:
    orders:
      - { customer_id: a, ordered_at: 2024-01-01T10:00:00Z, amount: 1 }
      - { customer_id: a, ordered_at: 2024-01-01T20:00:00Z, amount: 2.5 }
  expect:
    - { customer_id: a, purchased_on: 2024-01-01, value: 3.5 }
`,
  "definitions/features/history.sqlx": `config {
  type: "incremental",
  description: "A customer on a run date.",
  bigquery: { partitionBy: "run_date", clusterBy: ["customer_id"] },
}

WITH
  customers AS (
    SELECT
      customer_id,
      COUNT(*) AS frequency
    FROM
      \${ref("purchases")}
    WHERE
      purchased_on < @run_date
    GROUP BY
      customer_id
  )
SELECT
  @run_date AS run_date,
  customer_id,
  frequency,
  \${rank("frequency")} AS score
FROM
  customers
`,
  "definitions/features/segments.sqlx": `config { type: "view", description: "Segments." }

SELECT
  'best' AS segment,
  1 AS position
UNION ALL
SELECT
  'other',
  2
`,
  "definitions/marts/customers.sqlx": `config {
  type: "incremental",
  description: "What others read.",
  bigquery: { partitionBy: "run_date" },
  columns: { run_date: "Run date.", customer_id: "Customer.", segment: "Segment." },
}

SELECT
  h.run_date,
  h.customer_id,
  s.segment
FROM
  \${ref("history")} AS h
  JOIN \${ref("segments")} AS s ON s.position = h.score
WHERE
  h.run_date = @run_date
`,
  "definitions/checks/customers_keys.sqlx": `config { type: "assertion", description: "One row per customer." }

SELECT
  c.customer_id
FROM
  \${ref("customers")} AS c
WHERE
  c.run_date = @run_date
GROUP BY
  c.customer_id
HAVING
  COUNT(*) > 1
`,
};

/** A small Dataform project in a temporary folder. */
export class TestProject {
  readonly dir = mkdtempSync(join(tmpdir(), "dataform-check-"));

  constructor(files: Readonly<Record<string, string>> = FILES) {
    for (const [file, text] of Object.entries(files)) this.write(file, text);
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.dir, file)), { recursive: true });
    writeFileSync(join(this.dir, file), text);
  }

  /** Replaces text of a file of the project. */
  change(file: string, from: string, to: string): void {
    const text = FILES[file];
    if (!text?.includes(from)) throw new Error(`${file} does not contain ${from}`);
    this.write(file, text.replace(from, to));
  }

  /** Removes a file, or the whole project. */
  remove(file = ""): void {
    rmSync(join(this.dir, file), { recursive: true });
  }
}
