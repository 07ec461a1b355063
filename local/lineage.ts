import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import dagre from "@dagrejs/dagre";
import type { Target } from "../contracts/warehouse.ts";
import { compile, type Graph } from "../jobs/sql-runner/dataform.ts";
import { localCommand, portOption, runCommand } from "./command.ts";
import { listen, sqlDir } from "./edition.ts";

/** npm run lineage: which table is made of which, as a page; the project is compiled anew at every look. */
const options = localCommand("run lineage", "Serves the graph of the SQL project's tables on 127.0.0.1.")
  .option("--port <port>", "port", portOption, 8080)
  .option("--json", "prints the graph as JSON and ends", false)
  .parse()
  .opts<{ port: number; json: boolean }>();

const nameOf = ({ dataset, name }: Target): string => `${dataset}.${name}`;
const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

await runCommand(async () => {
  if (options.json) {
    const { actions, sources } = compile(sqlDir);
    process.stdout.write(`${JSON.stringify({ sources, actions }, null, 2)}\n`);
    return;
  }
  const server = createServer((_, response) => {
    try {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page(compile(sqlDir)));
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain; charset=utf-8" }).end((error as Error).message);
    }
  });
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`The graph is on http://127.0.0.1:${port}; end with Ctrl-C.\n`);
});

function page(graph: Graph): string {
  const models = graph.actions.filter(({ kind }) => kind === "model");
  const details = models.map(
    (model) => `<section id="${nameOf(model.target)}"><h2>${nameOf(model.target)}</h2>
<p>${escapeHtml(model.description)}</p><p><code>sql/${model.file}</code></p>
<table>${Object.entries(model.columns)
      .map(
        ([column, description]) =>
          `<tr><th>${escapeHtml(column)}</th><td>${escapeHtml(description)}</td></tr>`,
      )
      .join("")}</table>
<pre>${escapeHtml(model.query.trim())}</pre></section>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lineage</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1d2733 }
svg { width: 100%; height: auto } rect { fill: #eef3f8; stroke: #7d93ab } .source rect { fill: #fff4dc; stroke: #c29b3d }
path { fill: none; stroke: #7d93ab } text { font-size: 13px; text-anchor: middle; dominant-baseline: central }
section { display: none } section:target { display: block } pre { background: #f5f7f9; padding: 1rem; overflow: auto }
th { text-align: left; padding-right: 1rem; font-weight: 500; vertical-align: top }
</style>
<h1>Which table is made of which</h1><p>Click a table for its columns and its SQL.</p>
${drawing(graph)}
${details.join("\n")}</html>`;
}

function drawing(graph: Graph): string {
  const layout = new dagre.graphlib.Graph()
    .setGraph({ rankdir: "LR", nodesep: 14, ranksep: 60 })
    .setDefaultEdgeLabel(() => ({}));
  const models = graph.actions.filter(({ kind }) => kind === "model");
  const names = [...graph.sources, ...models].map(({ target }) => nameOf(target));
  for (const name of names) layout.setNode(name, { width: 8 * name.length + 16, height: 30 });
  for (const model of models) {
    for (const dependency of model.dependencies) layout.setEdge(nameOf(dependency), nameOf(model.target));
  }
  dagre.layout(layout);
  const sources = new Set(graph.sources.map(({ target }) => nameOf(target)));
  const nodes = names.map((name) => {
    const { x, y, width, height } = layout.node(name);
    return `<a href="#${name}"${sources.has(name) ? ' class="source"' : ""}><rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="5"/><text x="${x}" y="${y}">${escapeHtml(name)}</text></a>`;
  });
  const edges = layout.edges().map((edge: { v: string; w: string }) => {
    const points = layout.edge(edge).points.map(({ x, y }: { x: number; y: number }) => `${x},${y}`);
    return `<path d="M${points.join("L")}"/>`;
  });
  const { width = 0, height = 0 } = layout.graph();
  return `<svg viewBox="-5 -5 ${width + 10} ${height + 10}" role="img" aria-label="Graph of tables">${edges.join("")}${nodes.join("")}</svg>`;
}
