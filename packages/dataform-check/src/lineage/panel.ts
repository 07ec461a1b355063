import hljs from "highlight.js/lib/core";
import sql from "highlight.js/lib/languages/sql";
import { Html, html } from "../../../../local/report/html.ts";
import type { LineageColumn, LineageTable } from "./tables.ts";

hljs.registerLanguage("sql", sql);

/** How a table is kept: fill and border of its box, and words for it. */
export const KINDS: Record<LineageTable["kind"], { fill: string; border: string; means: string }> = {
  source: { fill: "#fff3d6", border: "#b98a14", means: "a table of others, only read" },
  view: { fill: "#ffffff", border: "#8a94a6", means: "a view" },
  table: { fill: "#e4f3e9", border: "#3f8f5f", means: "a table, made anew by every run" },
  partition: {
    fill: "#e5f0fa",
    border: "#3a7fbd",
    means: "a table, of which a run replaces its date's partition",
  },
  log: { fill: "#f0eafa", border: "#7f5fb5", means: "a log, to which jobs add rows" },
};

/** A button that chooses a table or a column, as table.column. */
export const placeLink = (place: string, text = place): Html =>
  html`<button type="button" class="link" data-place="${place}">${text}</button>`;

/** What is said beside the graph: of the chosen table and column, or which tables there are. */
export function panel(
  tables: readonly LineageTable[],
  table: LineageTable | undefined,
  column: LineageColumn | undefined,
  usersOf: (place: string) => readonly string[],
): Html {
  if (table === undefined)
    return html`<h2>Which table is made of which</h2>
      <p>Choose a table for its columns and its SQL; choose a column to see where it comes from and what it counts for.</p>
      <h3>Tables</h3>${list(tables.map(({ name }) => name).toSorted())}`;
  const columns = table.columns.map(
    (each) =>
      html`<tr${each === column ? new Html(' class="chosen"') : ""}><td>${placeLink(`${table.name}.${each.name}`, each.name)}</td><td>${each.type}</td><td>${each.description}</td></tr>`,
  );
  return html`<h2>${table.name}</h2><p>${table.description}</p>
    <p class="quiet">${KINDS[table.kind].means} · <code>sql/${table.file}</code></p>
    ${column && columnPath(table, column, usersOf(`${table.name}.${column.name}`))}
    <h3>Columns</h3><table><tbody>${columns}</tbody></table>
    ${table.checks.length > 0 && html`<h3>Checked by</h3><p>${table.checks.join(", ")}</p>`}
    ${table.googlesql && html`<h3>GoogleSQL, as BigQuery runs it</h3>${highlighted(table.googlesql)}`}
    ${table.duckdb && html`<h3>DuckDB, as this machine runs it</h3>${highlighted(table.duckdb)}`}`;
}

const list = (places: readonly string[]): Html =>
  html`<ul>${places.map((place) => html`<li>${placeLink(place)}</li>`)}</ul>`;

const highlighted = (query: string): Html =>
  html`<pre><code>${new Html(hljs.highlight(query, { language: "sql" }).value)}</code></pre>`;

function columnPath({ kind }: LineageTable, column: LineageColumn, users: readonly string[]): Html {
  const inputs = column.inputs.map(
    ({ table, column, through }) =>
      html`<li>${placeLink(`${table}.${column}`)}${through.map((step) => html`<br>through <code>${step}</code>`)}</li>`,
  );
  const computed = column.expression ? html`<code>${column.expression}</code>` : "no other column";
  const written = { source: "what the shop writes", log: "what a job writes" }[kind as string];
  return html`<div class="path">
    <h3>${column.name} is made of</h3>${inputs.length > 0 ? html`<ul>${inputs}</ul>` : html`<p>${written ?? computed}</p>`}
    ${column.sources.length > 0 && html`<h3>In the end, of</h3>${list(column.sources)}`}
    <h3>It counts for</h3>${users.length > 0 ? list(users) : html`<p>no other column</p>`}
  </div>`;
}
