import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { BigQuery } from "@google-cloud/bigquery";
import { PubSub } from "@google-cloud/pubsub";
import type { DagSettings } from "../../contracts/dag-settings.ts";
import { EVENTS, REQUESTS } from "../../contracts/messages.ts";
import type { Logger } from "../../lib/log.ts";
import { type LocalStack, type LocalStackOptions, startLocalStack } from "../../local/runtime/local-stack.ts";
import { type BigQueryEmulator, startBigQuery } from "../emulators/bigquery.ts";
import { type PubSubEmulator, startPubSub } from "../emulators/pubsub.ts";
import { freePort } from "../emulators/server.ts";
import { bigQueryClient, prepareWarehouse } from "../emulators/warehouse.ts";
import { localSettings } from "./settings.ts";

/** The emulators of Google Cloud. Test beds share them; each test bed has its own project. */
export interface Emulators {
  readonly pubsub: PubSubEmulator;
  readonly bigquery: BigQueryEmulator;
  close(): Promise<void>;
}

export async function startEmulators(): Promise<Emulators> {
  const [pubsub, bigquery] = await Promise.all([startPubSub(), startBigQuery()]);
  const close = async (): Promise<void> => void (await Promise.all([pubsub.close(), bigquery.close()]));
  return { pubsub, bigquery, close };
}

export interface TestbedOptions {
  readonly project: string;
  readonly log: Logger;
  /** Topic to which the jobs send events. @default "events" */
  readonly events?: string;
}

/**
 * What an Orchestrator works with, in one project of the emulators: topics, subscriptions, warehouse, invoker and jobs,
 * set up as the stack deploys them.
 */
export class AirflowTestbed {
  readonly project: string;
  readonly dataDir = mkdtempSync(join(tmpdir(), "testbed-"));
  readonly pubsub: PubSub;
  readonly bigquery: BigQuery;
  readonly invokerUrl: string;
  readonly #port: number;
  readonly #emulators: Emulators;
  readonly #options: TestbedOptions;
  #stack: LocalStack | undefined;

  private constructor(emulators: Emulators, port: number, options: TestbedOptions) {
    const { project } = options;
    const { pubsub, bigquery } = emulators;
    this.#emulators = emulators;
    this.#options = options;
    this.#port = port;
    this.project = project;
    this.invokerUrl = `http://127.0.0.1:${port}`;
    this.pubsub = new PubSub({ projectId: project, apiEndpoint: pubsub.host, emulatorMode: true });
    this.bigquery = bigQueryClient({ ...bigquery, project });
  }

  /** Creates all but the invoker. The orders are CSV: order_id,customer_id,ordered_at,amount. */
  static async create(
    emulators: Emulators,
    orders: string,
    options: TestbedOptions,
  ): Promise<AirflowTestbed> {
    const testbed = new AirflowTestbed(emulators, await freePort(), options);
    await testbed.#createTopics();
    const file = join(testbed.dataDir, "orders.csv");
    writeFileSync(file, orders);
    await prepareWarehouse({ ...emulators.bigquery, project: testbed.project }, file);
    return testbed;
  }

  async startInvoker(more: Pick<LocalStackOptions, "onTask" | "firstOrderDate"> = {}): Promise<void> {
    const { project, events = EVENTS, log } = this.#options;
    const { pubsub, bigquery } = this.#emulators;
    this.#stack = await startLocalStack({
      dataDir: this.dataDir,
      port: this.#port,
      log,
      env: {
        WAREHOUSE_URL: `bigquery://${project}/EU?endpoint=${encodeURIComponent(bigquery.endpoint)}`,
        MESSENGER_URL: `pubsub://${project}?${EVENTS}=${events}`,
        PUBSUB_EMULATOR_HOST: pubsub.host,
        SQL_VARS: JSON.stringify({ orders_project: project, marts_project: project }),
      },
      ...more,
    });
  }

  async cancelRun(runId: string): Promise<void> {
    await this.#stack?.launcher.cancel(runId);
  }

  /** The requests that became dead letters: waits for `count` of them, at most a minute, and a moment more for others. */
  async deadLetters(count: number): Promise<string[]> {
    const subscription = this.pubsub.subscription(`${REQUESTS}-dead-letter`);
    const letters: string[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    subscription.on("message", (message) => {
      letters.push(message.data.toString());
      message.ack();
      if (letters.length === count) resolve();
    });
    await Promise.race([all, setTimeout(60_000, undefined, { ref: false })]);
    await setTimeout(1000);
    await subscription.close();
    return letters;
  }

  async publish(topic: typeof REQUESTS | typeof EVENTS, text: string, runId: string): Promise<void> {
    await this.pubsub.topic(topic).publishMessage({ data: Buffer.from(text), attributes: { run_id: runId } });
  }

  async close(): Promise<void> {
    await this.#stack?.close();
    await this.pubsub.close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  dagSettings(limits: Partial<DagSettings["limits"]> = {}): DagSettings {
    return localSettings({ project: this.project, invokerUrl: this.invokerUrl, limits });
  }

  /** Environment variables with which Airflow finds the emulators. */
  get airflowEnv(): Record<string, string> {
    const { pubsub, bigquery } = this.#emulators;
    return { PUBSUB_EMULATOR_HOST: pubsub.host, BIGQUERY_EMULATOR_HOST: bigquery.endpoint };
  }

  /** Base URLs of the emulated APIs. */
  get endpoints(): { readonly pubsub: string; readonly bigquery: string } {
    const { pubsub, bigquery } = this.#emulators;
    return { pubsub: `http://${pubsub.host}`, bigquery: bigquery.endpoint };
  }

  async #createTopics(): Promise<void> {
    const { pubsub, project } = this;
    const events = this.#options.events ?? EVENTS;
    for (const topic of new Set([REQUESTS, `${REQUESTS}-dead-letter`, EVENTS, events]))
      await pubsub.createTopic(topic);
    await pubsub.createSubscription(`${REQUESTS}-dead-letter`, `${REQUESTS}-dead-letter`);
    await pubsub.createSubscription(REQUESTS, REQUESTS, {
      pushEndpoint: `${this.invokerUrl}/`,
      ackDeadlineSeconds: 60,
      retryPolicy: { minimumBackoff: { seconds: 1 }, maximumBackoff: { seconds: 5 } },
      deadLetterPolicy: {
        deadLetterTopic: `projects/${project}/topics/${REQUESTS}-dead-letter`,
        maxDeliveryAttempts: 5,
      },
    });
  }
}
