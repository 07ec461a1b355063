import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import hljs from "highlight.js/lib/core";
import sql from "highlight.js/lib/languages/sql";
import { Html, html, scriptCode, scriptJson } from "../html.ts";
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

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The script of the page with its libraries. */
export async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileOf("page.ts")],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

/** What the script of the page reads. */
export interface PageData {
  readonly tables: readonly { name: string; fill: string; border: string; inputs: readonly string[] }[];
  /** By column, as table.column: ids of the tables and edges from its sources to the columns that use it. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
}

type Links = ReadonlyMap<string, readonly string[]>;
const tableOf = (column: string): string => column.slice(0, column.lastIndexOf("."));

function pathOf(start: string, inputs: Links, users: Links): string[] {
  const follow = (links: Links): Set<string> => {
    const found = new Set([start]);
    for (const place of found) for (const each of links.get(place) ?? []) found.add(each);
    return found;
  };
  const path = new Set([...follow(inputs), ...follow(users)]);
  const ids = [...path].flatMap((place) => [
    tableOf(place),
    ...(inputs.get(place) ?? [])
      .filter((input) => path.has(input))
      .map((input) => `${tableOf(input)} ${tableOf(place)}`),
  ]);
  return [...new Set(ids)];
}

/** The lineage as one HTML document that needs no network. */
export function lineageDocument(tables: readonly LineageTable[], script: string): string {
  const inputs = new Map(
    tables.flatMap(({ name, columns }) =>
      columns.map((column) => [
        `${name}.${column.name}`,
        column.inputs.map((input) => `${input.table}.${input.column}`),
      ]),
    ),
  );
  const users = new Map([...inputs.keys()].map((place): [string, string[]] => [place, []]));
  for (const [place, each] of inputs) for (const input of each) users.get(input)?.push(place);
  const names = tables.map(({ name }) => name);
  const data: PageData = {
    tables: tables.map(({ name, kind, inputs }) => ({
      name,
      ...KINDS[kind],
      inputs: inputs.filter((input) => names.includes(input)),
    })),
    paths: Object.fromEntries([...inputs.keys()].map((place) => [place, pathOf(place, inputs, users)])),
  };
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>Lineage</title>
<style>${new Html(readFileSync(fileOf("page.css"), "utf8"))}</style>
</head>
<body>
<header>
<h1>Lineage</h1>
<input id="search" type="search" list="places" placeholder="Find a table or column" aria-label="Find a table or column">
<datalist id="places">${[...names, ...inputs.keys()].map((place) => html`<option value="${place}">`)}</datalist>
<div>${Object.entries(KINDS).map(
    ([kind, { fill, border, means }]) =>
      html`<span class="kind" style="background:${fill};border-color:${border}" title="${means}">${kind}</span>`,
  )}</div>
</header>
<div id="graph" role="img" aria-label="Graph of the tables. The list beside it has the same links."></div>
<aside id="panel">
<div id="overview"><p>Choose a table to see its columns and SQL. Choose a column to see what it is computed from and what uses it.</p>
<h3>Tables</h3>${listOf(names.toSorted())}</div>
${tables.map((table) => tableSection(table, users))}
</aside>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script>${scriptCode(script)}</script>
</body>
</html>
`.text;
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
