import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Standalone } from "../test/airflow/airflow.ts";
import { launchChromium } from "../test/chromium.ts";

/** Takes pictures of what Airflow 3 shows of its one requested run: while the run is waited for, and when it has ended. */
export async function takeScreenshots(airflow: Standalone, dag: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 960 } });
    page.setDefaultTimeout(120_000);
    await page.goto(airflow.url);
    await page.getByLabel("Username").fill(airflow.user);
    await page.getByLabel("Password").fill(airflow.password);
    await page.getByRole("button", { name: /sign in/i }).click();
    await page.waitForURL((url) => !url.pathname.includes("login"));

    // The page's own API, asked as the page asks it.
    const ask = async <T>(path: string): Promise<T> =>
      (await page.evaluate(`fetch("/api/v2/dags/${dag}/dagRuns${path}").then((it) => it.json())`)) as T;
    const { dag_runs: runs } = await ask<{ dag_runs: { dag_run_id: string }[] }>("?run_type=manual");
    const run = runs[0]!.dag_run_id;
    const shoot = async (name: string, until: () => Promise<boolean>): Promise<void> => {
      while (!(await until())) await setTimeout(1000);
      await page.goto(`${airflow.url}/dags/${dag}/runs/${encodeURIComponent(run)}`);
      await setTimeout(5000);
      await page.screenshot({ path: join(folder, `airflow-${name}.png`) });
    };
    await shoot("waits", async () => {
      const { state } = await ask<{ state: string }>(`/${encodeURIComponent(run)}/taskInstances/wait`);
      return state === "deferred";
    });
    await shoot("confirmed", async () => {
      const { state } = await ask<{ state: string }>(`/${encodeURIComponent(run)}`);
      return state === "success" || state === "failed";
    });
  } finally {
    await browser.close();
  }
}
