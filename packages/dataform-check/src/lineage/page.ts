/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import cytoscape from "cytoscape";
import dagre from "cytoscape-dagre";
import { html } from "./html.ts";

/** The script of the lineage page. It draws the graph and highlights the table or column that the URL's hash names. */
interface Column {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly users: readonly string[];
}
interface Table {
  readonly name: string;
  readonly fill: string;
  readonly border: string;
  readonly inputs: readonly string[];
  readonly columns: readonly Column[];
}

const byId = (id: string): HTMLElement => document.getElementById(id)!;
const tables: Table[] = JSON.parse(byId("tables").textContent!);
/** Columns by table.column. */
const columns = new Map<string, Column>(
  tables.flatMap((table) => table.columns.map((column) => [`${table.name}.${column.name}`, column])),
);
const tableOf = (column: string): string => column.slice(0, column.lastIndexOf("."));
let focus = "both";

cytoscape.use(dagre);
const canvas = document.createElement("canvas").getContext("2d")!;
canvas.font = "13px system-ui, sans-serif";

const graph = cytoscape({
  container: byId("graph"),
  minZoom: 0.15,
  maxZoom: 3,
  boxSelectionEnabled: false,
  autoungrabify: true,
  elements: [
    ...tables.map(({ name, fill, border }) => ({ data: { id: name, fill, border } })),
    ...tables.flatMap(({ name, inputs }) =>
      inputs
        .filter((input) => tables.some((table) => table.name === input))
        .map((input) => ({ data: { id: `${input} ${name}`, source: input, target: name } })),
    ),
  ],
  style: [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        width: (node: cytoscape.NodeSingular) => canvas.measureText(node.id()).width + 22,
        height: 30,
        label: "data(id)",
        "background-color": "data(fill)",
        "border-color": "data(border)",
        "border-width": 1.5,
        "font-size": 13,
        "font-family": "system-ui, sans-serif",
        "text-valign": "center",
      },
    },
    { selector: "edge", style: { width: 1.5, "curve-style": "bezier", "target-arrow-shape": "triangle" } },
    { selector: ".faded", style: { opacity: 0.18 } },
    { selector: ".hidden", style: { display: "none" } },
    { selector: "node.chosen", style: { "border-width": 3.5 } },
    { selector: "node.lit", style: { "border-color": "#d9480f", "border-width": 2.5 } },
    { selector: "edge.lit", style: { "line-color": "#d9480f", "target-arrow-color": "#d9480f" } },
  ],
});

/** Lays elements out from left to right or from top to bottom, whichever is larger on the screen. */
function layOut(elements: cytoscape.CollectionReturnValue): void {
  const zoomOf = (rankDir: string): number => {
    const options = { name: "dagre", rankDir, nodeSep: 22, rankSep: 44, padding: 24 };
    elements.layout(options as cytoscape.LayoutOptions).run();
    return graph.zoom();
  };
  zoomOf(zoomOf("TB") < zoomOf("LR") ? "LR" : "TB");
  fit(elements);
}

function fit(elements: cytoscape.CollectionArgument): void {
  graph.fit(elements, 24);
  if (graph.zoom() <= 1.25) return;
  graph.zoom(1.25);
  graph.center(elements);
}

/** The columns, as table.column, that a column is computed from and that use it. */
function pathOf(start: string): Set<string> {
  const follow = (next: "inputs" | "users"): Set<string> => {
    const found = new Set([start]);
    for (const place of found) for (const each of columns.get(place)?.[next] ?? []) found.add(each);
    return found;
  };
  return new Set([
    ...(focus === "down" ? [start] : follow("inputs")),
    ...(focus === "up" ? [] : follow("users")),
  ]);
}

/** Highlights the chosen table with all tables before and after it, or the path of the chosen column. */
function highlight(): void {
  const place = decodeURIComponent(location.hash.slice(1));
  const isColumn = columns.has(place);
  graph.elements().removeClass("faded hidden lit chosen");
  const node = graph.getElementById(isColumn ? tableOf(place) : place).addClass("chosen");
  byId("found").replaceChildren();
  if (!isColumn) {
    layOut(graph.elements());
    if (node.empty()) return;
    const shown = node
      .union(focus === "down" ? [] : node.predecessors())
      .union(focus === "up" ? [] : node.successors());
    graph.elements().difference(shown).addClass("faded");
    fit(shown);
    return;
  }
  const path = pathOf(place);
  const ids = new Set(
    [...path].flatMap((each) => [
      tableOf(each),
      ...(columns.get(each)?.inputs ?? [])
        .filter((input) => path.has(input))
        .map((input) => `${tableOf(input)} ${tableOf(each)}`),
    ]),
  );
  const shown = graph
    .elements()
    .filter((each) => ids.has(each.id()))
    .addClass("lit");
  graph.elements().difference(shown).addClass("hidden");
  layOut(shown);
}

/** Lists the tables and columns that have all these words in their name. */
function find(text: string): void {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...tables.map(({ name }) => name), ...columns.keys()].filter(
    (place) => words.length > 0 && words.every((word) => place.toLowerCase().includes(word)),
  );
  const links = found.slice(0, 40).map((place) => html`<a href="#${place}">${place}</a>`);
  byId("found").innerHTML =
    html`${links}${words.length > 0 && found.length === 0 && html`<p>Nothing found.</p>`}`.text;
}

graph.on("tap", ({ target }) => {
  location.hash = target === graph ? "" : target.isNode() ? target.id() : target.data("target");
});
document.addEventListener("click", ({ target }) => {
  const { focus: part, zoom } = (target as HTMLElement).dataset;
  if (part !== undefined) {
    focus = part;
    for (const each of document.querySelectorAll("[data-focus]"))
      each.setAttribute("aria-pressed", String(each === target));
    highlight();
  }
  const renderedPosition = { x: graph.width() / 2, y: graph.height() / 2 };
  if (zoom === "0") fit(graph.elements(":visible"));
  else if (zoom !== undefined) graph.zoom({ level: graph.zoom() * Number(zoom), renderedPosition });
});
byId("search").addEventListener("input", ({ target }) => find((target as HTMLInputElement).value));
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "Escape") location.hash = "";
  if (key === "Enter" && target === byId("search")) byId("found").querySelector("a")?.click();
});
window.addEventListener("resize", () => graph.resize());
window.addEventListener("hashchange", highlight);
graph.resize();
highlight();
// For tests and the browser's console.
Object.assign(window, { graph });
