/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import cytoscape from "cytoscape";
import dagre from "cytoscape-dagre";
import hljs from "highlight.js/lib/core";
import sql from "highlight.js/lib/languages/sql";
import type { LineageColumn, LineageTable } from "./tables.ts";

/** The script of the lineage page, bundled into it: draws the tables, and shows the one that is chosen. */
const byId = (id: string): HTMLElement => document.getElementById(id)!;
const tables: LineageTable[] = JSON.parse(byId("tables").textContent!);
const known = new Map(tables.map((table) => [table.name, table]));

/** Fill and border of a table's box, by how it is kept. */
const KINDS: Record<LineageTable["kind"], { fill: string; border: string; means: string }> = {
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

interface Choice {
  readonly table?: LineageTable | undefined;
  readonly column?: LineageColumn | undefined;
}
type Focus = "up" | "down" | "both";
let choice: Choice = {};
let focus: Focus = "both";

hljs.registerLanguage("sql", sql);
cytoscape.use(dagre);
const pen = document.createElement("canvas").getContext("2d")!;
const FONT = "13px system-ui, sans-serif";

const graph = cytoscape({
  container: byId("graph"),
  minZoom: 0.15,
  maxZoom: 3,
  boxSelectionEnabled: false,
  autoungrabify: true,
  elements: [
    ...tables.map(({ name, kind }) => ({
      data: { id: name, ...KINDS[kind] },
    })),
    ...tables.flatMap(({ name, inputs }) =>
      inputs.map((input) => ({ data: { id: `${input} ${name}`, source: input, target: name } })),
    ),
  ],
  style: [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        width: (node: cytoscape.NodeSingular) => boxOf(node).width,
        height: (node: cytoscape.NodeSingular) => boxOf(node).height,
        label: (node: cytoscape.NodeSingular) => linesOf(node).join("\n"),
        "background-color": "data(fill)",
        "border-color": "data(border)",
        "border-width": 1.5,
        "font-size": 13,
        "font-family": "system-ui, sans-serif",
        "text-wrap": "wrap",
        "text-valign": "center",
        color: "#1d2430",
      },
    },
    {
      selector: "edge",
      style: {
        width: 1.5,
        "curve-style": "bezier",
        "line-color": "#a7b1c0",
        "target-arrow-color": "#a7b1c0",
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.9,
      },
    },
    { selector: ".faded", style: { opacity: 0.18 } },
    { selector: ".hidden", style: { display: "none" } },
    { selector: "node.chosen", style: { "border-width": 3.5 } },
    { selector: "node.lit", style: { "border-color": "#d9480f", "border-width": 2.5, "z-index": 1 } },
    { selector: "edge.lit", style: { "line-color": "#d9480f", "target-arrow-color": "#d9480f", width: 2.5 } },
  ],
});

function linesOf(node: cytoscape.NodeSingular): string[] {
  return [node.id(), ...((node.data("columns") as string[] | undefined) ?? []).map((name) => `· ${name}`)];
}

function boxOf(node: cytoscape.NodeSingular): { width: number; height: number } {
  pen.font = FONT;
  const lines = linesOf(node);
  const width = Math.max(...lines.map((line) => pen.measureText(line).width));
  return { width: width + 22, height: lines.length * 17 + 14 };
}

/** Lays elements out from left to right or from top to bottom, whichever is shown larger, and shows them. */
function layOut(elements: cytoscape.CollectionReturnValue): void {
  const zoomOf = (rankDir: "LR" | "TB"): number => {
    const options = { name: "dagre", rankDir, nodeSep: 22, rankSep: 44, padding: 24 };
    elements.layout(options as cytoscape.LayoutOptions).run();
    return graph.zoom();
  };
  if (zoomOf("TB") < zoomOf("LR")) zoomOf("LR");
  else zoomOf("TB");
  frame(elements);
}

/** Columns, as table.column, that a column is made of or counts for. */
function pathOf(start: string, direction: Focus): Set<string> {
  const path = new Set([start]);
  for (const place of path) {
    if (direction !== "down")
      for (const { table, column } of columnAt(place)?.inputs ?? []) path.add(`${table}.${column}`);
  }
  const down = new Set([start]);
  for (const place of down) if (direction !== "up") for (const user of usersOf(place)) down.add(user);
  return new Set([...path, ...down]);
}

const tableAt = (place: string): LineageTable | undefined =>
  known.get(place.slice(0, place.lastIndexOf(".")));
const columnAt = (place: string): LineageColumn | undefined =>
  tableAt(place)?.columns.find(({ name }) => name === place.slice(place.lastIndexOf(".") + 1));
const usersOf = (place: string): string[] =>
  tables.flatMap((table) =>
    table.columns
      .filter(({ inputs }) => inputs.some((input) => `${input.table}.${input.column}` === place))
      .map(({ name }) => `${table.name}.${name}`),
  );

/** Shows of the graph what the choice is about: of a table all tables before and after it, of a column its path. */
function light(): void {
  graph.elements().removeClass("faded hidden lit chosen");
  graph.nodes().removeData("columns");
  const { table, column } = choice;
  const node = graph.getElementById(table?.name ?? "").addClass("chosen");
  if (table === undefined || column === undefined) {
    layOut(graph.elements());
    if (table === undefined) return;
    const shown = node
      .union(focus === "down" ? [] : node.predecessors())
      .union(focus === "up" ? [] : node.successors());
    graph.elements().difference(shown).addClass("faded");
    frame(shown);
    return;
  }
  const path = pathOf(`${table.name}.${column.name}`, focus);
  const columns = new Map<string, string[]>();
  for (const place of path) {
    const { name } = tableAt(place)!;
    columns.set(name, [...(columns.get(name) ?? []), columnAt(place)!.name]);
  }
  for (const [name, names] of columns) graph.getElementById(name).data("columns", names);
  const steps = [...path].flatMap((place) =>
    columnAt(place)!
      .inputs.filter((input) => path.has(`${input.table}.${input.column}`))
      .map((input) => `${input.table} ${tableAt(place)!.name}`),
  );
  const ids = new Set([...columns.keys(), ...steps]);
  const shown = graph
    .elements()
    .filter((each) => ids.has(each.id()))
    .addClass("lit");
  graph.elements().difference(shown).addClass("hidden");
  layOut(shown);
}

/** Shows these elements as large as they fit, within reason. */
function frame(shown: cytoscape.CollectionArgument): void {
  graph.fit(shown, 24);
  if (graph.zoom() <= 1.25) return;
  graph.zoom(1.25);
  graph.center(shown);
}

/** An element with its attributes and contents; text is text. */
function element(
  name: string,
  attributes: Record<string, string> = {},
  ...contents: (Node | string)[]
): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...contents);
  return made;
}

function link(place: string, text = place): HTMLElement {
  const button = element("button", { class: "link", type: "button" }, text);
  button.addEventListener("click", () => choose(place));
  return button;
}

function listed(title: string, places: readonly string[], none: string): Node[] {
  if (places.length === 0) return [element("h3", {}, title), element("p", { class: "quiet" }, none)];
  return [
    element("h3", {}, title),
    element("ul", {}, ...places.map((place) => element("li", {}, link(place)))),
  ];
}

function sqlBlock(title: string, query: string | undefined): Node[] {
  if (query === undefined) return [];
  const code = element("code");
  code.innerHTML = hljs.highlight(query, { language: "sql" }).value;
  return [element("h3", {}, title), element("pre", {}, code)];
}

function columnPanel(table: LineageTable, column: LineageColumn): HTMLElement {
  const made = column.inputs.map(({ table, column, through }) =>
    element(
      "li",
      {},
      link(`${table}.${column}`),
      ...through.flatMap((step) => [element("br"), "through ", element("code", {}, step)]),
    ),
  );
  const written = { source: "what the shop writes", log: "what a job writes" }[table.kind as string];
  const computed =
    column.expression === undefined ? "no other column" : element("code", {}, column.expression);
  return element(
    "div",
    { class: "path" },
    element("h3", {}, `${column.name} is made of`),
    made.length > 0 ? element("ul", {}, ...made) : element("p", { class: "quiet" }, written ?? computed),
    ...(column.sources.length > 0 ? listed("In the end, of", column.sources, "") : []),
    ...listed("It counts for", usersOf(`${table.name}.${column.name}`), "no other column"),
  );
}

function show(): void {
  const { table, column } = choice;
  const panel = byId("panel");
  if (table === undefined) {
    panel.replaceChildren(
      element("h2", {}, "Which table is made of which"),
      element(
        "p",
        {},
        "Choose a table for its columns and its SQL; choose a column to see where it comes from and what it counts for.",
      ),
      ...listed("Tables", tables.map(({ name }) => name).toSorted(), ""),
    );
    return;
  }
  const rows = table.columns.map((each) =>
    element(
      "tr",
      each === column ? { class: "chosen" } : {},
      element("td", {}, link(`${table.name}.${each.name}`, each.name)),
      element("td", {}, each.type),
      element("td", {}, each.description),
    ),
  );
  panel.replaceChildren(
    element("h2", {}, table.name),
    element("p", {}, table.description),
    element(
      "p",
      { class: "quiet" },
      `${KINDS[table.kind].means} · `,
      element("code", {}, `sql/${table.file}`),
    ),
    ...(column === undefined ? [] : [columnPanel(table, column)]),
    element("h3", {}, "Columns"),
    element("table", {}, element("tbody", {}, ...rows)),
    ...(table.checks.length === 0
      ? []
      : [element("h3", {}, "Checked by"), element("p", {}, table.checks.join(", "))]),
    ...sqlBlock("GoogleSQL, as BigQuery runs it", table.googlesql),
    ...sqlBlock("DuckDB, as this machine runs it", table.duckdb),
  );
  panel.scrollTop = 0;
}

/** Chooses a table or, as table.column, a column; with nothing, shows all. */
function choose(place = ""): void {
  const table = known.get(place) ?? tableAt(place);
  choice = { table, column: known.has(place) ? undefined : columnAt(place) };
  history.replaceState(null, "", table === undefined ? "#" : `#${place}`);
  byId("found").replaceChildren();
  show();
  light();
}

function find(text: string): void {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const places = tables.flatMap(({ name, columns }) => [
    name,
    ...columns.map((column) => `${name}.${column.name}`),
  ]);
  const found =
    words.length === 0 ? [] : places.filter((place) => words.every((word) => place.includes(word)));
  const shown = found.slice(0, 40).map((place) => {
    const button = element("button", { type: "button" }, place);
    button.addEventListener("click", () => choose(place));
    return button;
  });
  if (words.length > 0 && shown.length === 0)
    shown.push(element("button", { disabled: "" }, "There is none like that."));
  byId("found").replaceChildren(...shown);
}

for (const [kind, { fill, border, means }] of Object.entries(KINDS))
  byId("legend").append(element("span", { style: `--fill:${fill};--border:${border}`, title: means }, kind));
graph.on("tap", (event) =>
  choose(
    event.target === graph ? "" : event.target.isNode() ? event.target.id() : event.target.data("target"),
  ),
);
const search = byId("search") as HTMLInputElement;
search.addEventListener("input", () => find(search.value));
search.addEventListener("keydown", ({ key }) => {
  if (key === "Enter") (byId("found").firstElementChild as HTMLElement | null)?.click();
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") choose();
});
for (const button of document.querySelectorAll<HTMLElement>("[data-focus]")) {
  button.addEventListener("click", () => {
    focus = button.dataset.focus as Focus;
    for (const each of document.querySelectorAll("[data-focus]"))
      each.setAttribute("aria-pressed", String(each === button));
    light();
  });
}
byId("in").addEventListener("click", () =>
  graph.zoom({ level: graph.zoom() * 1.3, renderedPosition: middle() }),
);
byId("out").addEventListener("click", () =>
  graph.zoom({ level: graph.zoom() / 1.3, renderedPosition: middle() }),
);
byId("fit").addEventListener("click", () => frame(graph.elements()));
const middle = () => ({ x: graph.width() / 2, y: graph.height() / 2 });
window.addEventListener("resize", () => graph.resize());
window.addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1))));

// The header is as high as its legend makes it.
graph.resize();
choose(decodeURIComponent(location.hash.slice(1)));
// For tests and the console of the browser.
Object.assign(window, { graph });
