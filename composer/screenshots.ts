import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { launchChromium } from "../local/chromium.ts";
import type { Standalone } from "./airflow.ts";
import type { Loop } from "./loop.ts";

/** Waits until the run that was requested has its end confirmed, and takes pictures of what Airflow shows of it. */
export async function takeScreenshots(airflow: Standalone, loop: Loop, folder: string): Promise<void> {
  const dag = `${airflow.url}/dags/${loop.settings().dag_id}`;
  mkdirSync(folder, { recursive: true });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    page.setDefaultTimeout(120_000);
    const shoot = async (name: string): Promise<void> => {
      await setTimeout(3000);
      await page.screenshot({ path: join(folder, `airflow-${name}.png`) });
    };
    await page.goto(airflow.url);
    await page.getByLabel("Username").fill(airflow.user);
    await page.getByLabel("Password").fill(airflow.password);
    await page.getByRole("button", { name: /sign in/i }).click();
    await page.waitForURL((url) => !url.pathname.includes("login"));
    await page.goto(dag);
    await shoot("waiting");
    await loop.ended();
    // The DAG hears of it, and looks at the tables.
    await setTimeout(60_000);
    await page.goto(dag);
    await shoot("confirmed");
  } finally {
    await browser.close();
  }
}
