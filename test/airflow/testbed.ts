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

/** What stands for Google Cloud: shared by loops, each of which has a project of its own in it. */
export interface Cloud {
  readonly pubsub: PubSubEmulator;
  readonly bigquery: BigQueryEmulator;
  close(): Promise<void>;
}

export async function startCloud(): Promise<Cloud> {
  const [pubsub, bigquery] = await Promise.all([startPubSub(), startBigQuery()]);
  const close = async (): Promise<void> => void (await Promise.all([pubsub.close(), bigquery.close()]));
  return { pubsub, bigquery, close };
}

export interface LoopOptions {
  readonly project: string;
  readonly log: Logger;
  /** Topic that the jobs send events to. @default "events" */
  readonly events?: string;
}

/** Messenger and Workload of a project, as the stack deploys them: topics, subscriptions, warehouse, invoker, jobs. */
export class Loop {
  readonly project: string;
  readonly dataDir = mkdtempSync(join(tmpdir(), "loop-"));
  readonly pubsub: PubSub;
  readonly bigquery: BigQuery;
  readonly url: string;
  readonly #port: number;
  readonly #cloud: Cloud;
  readonly #options: LoopOptions;
  #edition: LocalStack | undefined;

  private constructor(cloud: Cloud, port: number, options: LoopOptions) {
    const { project } = options;
    this.#cloud = cloud;
    this.#options = options;
    this.#port = port;
    this.project = project;
    this.url = `http://127.0.0.1:${port}`;
    this.pubsub = new PubSub({ projectId: project, apiEndpoint: cloud.pubsub.host, emulatorMode: true });
    this.bigquery = bigQueryClient({ ...cloud.bigquery, project });
  }

  /** Makes all of it with these orders (CSV: order_id,customer_id,ordered_at,amount) but the invoker, which listens when it is told to. */
  static async make(cloud: Cloud, orders: string, options: LoopOptions): Promise<Loop> {
    const loop = new Loop(cloud, await freePort(), options);
    await loop.#makeTopics();
    const file = join(loop.dataDir, "orders.csv");
    writeFileSync(file, orders);
    await prepareWarehouse({ ...cloud.bigquery, project: loop.project }, file);
    return loop;
  }

  /** Starts the invoker. */
  async listen(more: Pick<LocalStackOptions, "onTask" | "firstOrderDate"> = {}): Promise<void> {
    const { project, events = EVENTS, log } = this.#options;
    const { pubsub, bigquery } = this.#cloud;
    this.#edition = await startLocalStack({
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

  /** The messages that ended as dead letters. */
  async deadLetters(): Promise<string[]> {
    const subscription = this.pubsub.subscription(`${REQUESTS}-dead-letter`);
    const letters: string[] = [];
    subscription.on("message", (message) => {
      letters.push(message.data.toString());
      message.ack();
    });
    await setTimeout(2000);
    await subscription.close();
    return letters;
  }

  /** Publishes what a person might. */
  async publish(topic: typeof REQUESTS | typeof EVENTS, text: string, runId: string): Promise<void> {
    await this.pubsub.topic(topic).publishMessage({ data: Buffer.from(text), attributes: { run_id: runId } });
  }

  async close(): Promise<void> {
    await this.#edition?.close();
    await this.pubsub.close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** What the DAG is told. */
  settings(limits: Partial<DagSettings["limits"]> = {}): DagSettings {
    return localSettings({ project: this.project, invokerUrl: this.url, limits });
  }

  /** Environment by which Airflow finds the emulators. */
  get airflowEnv(): Record<string, string> {
    const { pubsub, bigquery } = this.#cloud;
    return { PUBSUB_EMULATOR_HOST: pubsub.host, BIGQUERY_EMULATOR_HOST: bigquery.endpoint };
  }

  async #makeTopics(): Promise<void> {
    const { pubsub, project } = this;
    const events = this.#options.events ?? EVENTS;
    for (const topic of new Set([REQUESTS, `${REQUESTS}-dead-letter`, EVENTS, events]))
      await pubsub.createTopic(topic);
    await pubsub.createSubscription(`${REQUESTS}-dead-letter`, `${REQUESTS}-dead-letter`);
    await pubsub.createSubscription(REQUESTS, REQUESTS, {
      pushEndpoint: `${this.url}/`,
      ackDeadlineSeconds: 60,
      retryPolicy: { minimumBackoff: { seconds: 1 }, maximumBackoff: { seconds: 5 } },
      deadLetterPolicy: {
        deadLetterTopic: `projects/${project}/topics/${REQUESTS}-dead-letter`,
        maxDeliveryAttempts: 5,
      },
    });
  }
}
