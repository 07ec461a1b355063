import type { RecordedResource } from "./recording-mocks.ts";

/** What is drawn, by type: how it is called, the brackets of its shape in Mermaid, and the field that others name it by. */
const DRAWN: Readonly<Record<string, readonly [kind: string, open: string, close: string, field: string]>> = {
  "gcp:composer/environment:Environment": ["Cloud Composer", "[", "]", "name"],
  "gcp:cloudscheduler/job:Job": ["Cloud Scheduler", "[", "]", "job"],
  "gcp:workflows/workflow:Workflow": ["Workflows", "[", "]", "workflow"],
  "gcp:pubsub/topic:Topic": ["topic", "([", "])", "topic"],
  "gcp:pubsub/subscription:Subscription": ["subscription", "[/", "/]", "subscription"],
  "gcp:cloudrunv2/service:Service": ["Cloud Run", "[", "]", "name"],
  "gcp:storage/bucket:Bucket": ["bucket", "[(", ")]", "bucket"],
  "gcp:bigquery/dataset:Dataset": ["BigQuery", "[(", ")]", "datasetId"],
};

/** What the member of a role may do. Data that a member reads goes to it. */
const VERBS: Readonly<Record<string, readonly [verb: string, takes?: true]>> = {
  "roles/pubsub.publisher": ["publishes"],
  "roles/pubsub.subscriber": ["heard by", true],
  "roles/run.invoker": ["calls"],
  "custom writer": ["writes"],
  "roles/bigquery.dataViewer": ["read by", true],
  "roles/storage.objectUser": ["keeps files"],
  "roles/storage.objectViewer": ["read by", true],
};

// Inputs of a dozen types, of which a field or two are looked at.
// biome-ignore lint/suspicious/noExplicitAny: as said
type Inputs = any;

/**
 * The deployed system as a Mermaid flowchart: the main resources by component, and who publishes, pushes, reads and writes,
 * as the resources refer to each other and as rights are granted to the accounts that they run as.
 */
export function architectureDiagram(resources: readonly RecordedResource[]): string {
  const all = resources.filter((it): it is RecordedResource & { inputs: Inputs } => it.inputs !== undefined);
  const ofType = (end: string) => all.filter(({ type }) => type.endsWith(`:${end}`));
  const boxes = new Map<string, string[]>();
  /** Nodes by what others call them. */
  const nodes = new Map<string, string>();
  const edges = new Set<string>();

  function draw(box: string, [kind, open, close]: readonly string[], title: string, ...called: string[]) {
    const id = `${kind} ${title}`.replaceAll(/\W/g, "_");
    boxes.set(box, [...(boxes.get(box) ?? []), `    ${id}${open}"${kind}<br><b>${title}</b>"${close}`]);
    for (const name of called) nodes.set(name, id);
    return id;
  }
  function connect(from: string | undefined, verb: string, to: string | undefined, line = "-->"): void {
    if (from !== undefined && to !== undefined) edges.add(`  ${from} ${line}|${verb}| ${to}`);
  }

  for (const { type, name, path, inputs } of all) {
    const how = DRAWN[type];
    if (how === undefined) continue;
    const account =
      inputs.template?.serviceAccount ??
      inputs.config?.nodeConfig?.serviceAccount ??
      inputs.pushConfig?.oidcToken.serviceAccountEmail ??
      inputs.serviceAccount?.split("/").at(-1);
    const [field, box = ""] = [how[3], path.at(-2)?.split(":").at(-1)];
    const title = inputs.datasetId ?? name.replace(/^[a-z]+-/, "");
    const names = [`${name}-id`, inputs.name ?? inputs.datasetId].map((it) => `${field} ${it}`);
    draw(box, how, title, ...names, `serviceAccount:${account}`);
  }
  const { accountId } = ofType("Account").find(({ name }) => name.endsWith("-jobs"))!.inputs;
  const jobs = all.find(({ inputs }) => inputs.member?.startsWith(`serviceAccount:${accountId}@`))?.inputs
    .member;
  const pipeline = draw("Workload", ["Vertex AI", "[[", "]]"], "pipeline", jobs);
  const alerts = draw("Monitoring", ["Cloud Monitoring", "{{", "}}"], "alerts");

  for (const { inputs } of ofType("Subscription")) {
    const subscription = nodes.get(`subscription ${inputs.name}`);
    connect(nodes.get(`topic ${inputs.topic}`), "delivers to", subscription);
    connect(subscription, "gives up", nodes.get(`topic ${inputs.deadLetterPolicy?.deadLetterTopic}`), "-.->");
    const watches = ({ inputs: policy }: RecordedResource) =>
      JSON.stringify(policy).includes(`"${inputs.name}\\`);
    if (ofType("AlertPolicy").some(watches)) connect(subscription, "raises", alerts, "-.->");
  }
  for (const { inputs } of ofType("Job")) {
    const [, workflow] = /([^/]+)\/executions$/.exec(inputs.httpTarget.uri)!;
    connect(nodes.get(`job ${inputs.name}`), "starts", nodes.get(`workflow ${workflow}`));
  }
  const launcher = ofType("IAMCustomRole").find(({ name }) => name.endsWith("-launcher"))!.inputs.roleId;
  for (const { inputs } of all) {
    const member = nodes.get(inputs.member);
    if (member === undefined) continue;
    if (inputs.role.endsWith(`/${launcher}`)) connect(member, "starts", pipeline);
    const [verb, takes] = VERBS[inputs.role.replace(/^projects\/.*_/, "custom ")] ?? [];
    if (verb === undefined) continue;
    const field = ["topic", "bucket", "name", "datasetId"].find((it) => inputs[it] !== undefined)!;
    const table = `table ${inputs.datasetId}.${inputs.tableId}`;
    // A table of no dataset of the stack is the shop's.
    const on =
      nodes.get(`${field} ${inputs[field]}`) ??
      nodes.get(table) ??
      draw("Shop", ["BigQuery", "[(", ")]"], table.slice(6), table);
    connect(takes ? on : member, verb, takes ? member : on);
  }
  const drawn = [...boxes].map(([box, lines]) => `  subgraph ${box}\n${lines.join("\n")}\n  end`);
  return `flowchart TB\n${[...drawn, ...[...edges].sort()].join("\n")}\n`;
}
