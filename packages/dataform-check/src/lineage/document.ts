import { readFileSync } from "node:fs";
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import hljs from "highlight.js/lib/core";
import sql from "highlight.js/lib/languages/sql";
import { Html, html } from "../html.ts";
import type { LineageColumn, LineageTable } from "./tables.ts";

hljs.registerLanguage("sql", sql);

/** The colors of a table in the graph, and what its kind means. */
const KINDS: Record<LineageTable["kind"], { fill: string; border: string; means: string }> = {
  source: { fill: "#fff3d6", border: "#b98a14", means: "a table that the project only reads" },
  view: { fill: "#ffffff", border: "#8a94a6", means: "a view" },
  table: { fill: "#e4f3e9", border: "#3f8f5f", means: "a table that each run replaces" },
  partition: { fill: "#e5f0fa", border: "#3a7fbd", means: "a table of which a run replaces one partition" },
  append: { fill: "#f0eafa", border: "#7f5fb5", means: "a table to which jobs add rows" },
};

type Links = ReadonlyMap<string, readonly string[]>;

/** The lineage as one HTML document that needs neither network nor JavaScript. */
export async function lineageDocument(tables: readonly LineageTable[]): Promise<string> {
  const names = tables.map(({ name }) => name);
  /** What a table or a column, as table.column, is made from. */
  const inputs: Links = new Map(
    tables.flatMap((table): [string, string[]][] => [
      [table.name, table.inputs.filter((input) => names.includes(input))],
      ...table.columns.map((column): [string, string[]] => [
        `${table.name}.${column.name}`,
        column.inputs.map((input) => `${input.table}.${input.column}`),
      ]),
    ]),
  );
  const users = new Map([...inputs.keys()].map((place): [string, string[]] => [place, []]));
  for (const [place, each] of inputs) for (const input of each) users.get(input)?.push(place);
  const css = readFileSync(new URL("page.css", import.meta.url), "utf8");
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Lineage</title>
<style>${new Html(css)}
${new Html([...inputs.keys()].map((place) => highlightRule(place, names, inputs, users)).join("\n"))}</style>
</head>
<body>
<header>
<h1><a href="#">Lineage</a></h1>
<div>${Object.entries(KINDS).map(
    ([kind, { fill, border, means }]) =>
      html`<span class="kind" style="background:${fill};border-color:${border}" title="${means}">${kind}</span>`,
  )}</div>
</header>
<div id="graph" role="img" aria-label="Graph of the tables. The list beside it has the same links.">${await graphOf(tables, inputs)}</div>
<aside id="panel">
<div id="overview"><p>Choose a table to see its columns and SQL. Choose a column to see what it is computed from and what uses it.</p>
${tables
  .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  .map(
    ({ name, columns }) =>
      html`<h3>${linkTo(name)}</h3><p>${columns.map((column) => html`${linkTo(`${name}.${column.name}`, column.name)} `)}</p>`,
  )}</div>
${tables.map((table) => tableSection(table, users))}
</aside>
</body>
</html>
`.text;
}

/** Graphviz's drawing of the tables. Nodes have the ids n0, n1, …, edges e0-1. */
async function graphOf(tables: readonly LineageTable[], inputs: Links): Promise<Html> {
  const indexOf = new Map(tables.map(({ name }, index) => [name, index]));
  const nodes = tables.map(({ name, kind }, index) => {
    const { fill, border } = KINDS[kind];
    return `n${index} [id=n${index} label="${name}" href="#${name}" fillcolor="${fill}" color="${border}"]`;
  });
  const edges = tables.flatMap(({ name }, index) =>
    inputs.get(name)!.map((input) => {
      const from = indexOf.get(input);
      return `n${from} -> n${index} [id="e${from}-${index}"]`;
    }),
  );
  const style = `rankdir=TB bgcolor=transparent nodesep=0.15 ranksep=0.35
    node [shape=box style="rounded,filled" fontname="Helvetica,Arial,sans-serif" fontsize=10 height=0.3]
    edge [color="#8a94a6" arrowsize=0.6]`;
  const graphviz = await Graphviz.load();
  return new Html(
    graphviz.layout(`digraph { ${[style, ...nodes, ...edges].join("\n")} }`, "svg_inline", "dot"),
  );
}

/** The style that shows the path of the table or column that the URL names, from its sources to all that use it. */
function highlightRule(place: string, names: readonly string[], inputs: Links, users: Links): string {
  const follow = (links: Links): Set<string> => {
    const found = new Set([place]);
    for (const each of found) for (const next of links.get(each) ?? []) found.add(next);
    return found;
  };
  const path = new Set([...follow(inputs), ...follow(users)]);
  const nodeOf = (each: string): number =>
    names.indexOf(names.includes(each) ? each : each.slice(0, each.lastIndexOf(".")));
  const ids = [...path].flatMap((each) => [
    `#n${nodeOf(each)}`,
    ...(inputs.get(each) ?? [])
      .filter((input) => path.has(input))
      .map((input) => `#e${nodeOf(input)}-${nodeOf(each)}`),
  ]);
  return `:has([id="${place}"]:target) :is(${[...new Set(ids)].join()}) { opacity: 1 }`;
}

const linkTo = (place: string, text = place): Html => html`<a href="#${place}">${text}</a>`;

const listOf = (places: readonly string[]): Html =>
  places.length === 0
    ? html`<p>nothing</p>`
    : html`<ul>${places.map((place) => html`<li>${linkTo(place)}</li>`)}</ul>`;

function tableSection(table: LineageTable, users: Links): Html {
  const { name, description, kind, file, columns, checks, googlesql, duckdb } = table;
  const highlighted = (query: string): Html =>
    html`<pre><code>${new Html(hljs.highlight(query, { language: "sql" }).value)}</code></pre>`;
  return html`<section id="${name}"><h2>${name}</h2><p>${description}</p>
<p class="quiet">${KINDS[kind].means} · <code>${file}</code></p>
${columns.map((column) => columnPath(name, column, users.get(`${name}.${column.name}`) ?? []))}
<h3>Columns</h3><table><tbody>${columns.map(
    (column) =>
      html`<tr><td>${linkTo(`${name}.${column.name}`, column.name)}</td><td>${column.type}</td><td>${column.description}</td></tr>`,
  )}</tbody></table>
${checks.length > 0 && html`<h3>Checked by</h3><p>${checks.join(", ")}</p>`}
${googlesql && html`<h3>GoogleSQL</h3>${highlighted(googlesql)}`}
${duckdb && html`<h3>DuckDB</h3>${highlighted(duckdb)}`}</section>`;
}

function columnPath(table: string, column: LineageColumn, users: readonly string[]): Html {
  const inputs = column.inputs.map(
    (input) =>
      html`<li>${linkTo(`${input.table}.${input.column}`)}${input.through.map((step) => html`<br>through <code>${step}</code>`)}</li>`,
  );
  const constant = html`<p>${column.expression ? html`<code>${column.expression}</code>` : "no other column"}</p>`;
  return html`<div class="path" id="${table}.${column.name}">
<h3>${column.name} is computed from</h3>${inputs.length > 0 ? html`<ul>${inputs}</ul>` : constant}
${column.sources.length > 0 && html`<h3>Sources</h3>${listOf(column.sources)}`}
<h3>Used by</h3>${listOf(users)}</div>`;
}
