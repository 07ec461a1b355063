/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import cytoscape from "cytoscape";
import dagre from "cytoscape-dagre";
import { html } from "../../../../local/report/html.ts";
import { KINDS, panel, placeLink } from "./panel.ts";
import type { LineageColumn, LineageTable } from "./tables.ts";

/** The script of the lineage page, bundled into it: draws the tables, and shows the one that is chosen. */
const byId = (id: string): HTMLElement => document.getElementById(id)!;
const tables: LineageTable[] = JSON.parse(byId("tables").textContent!);
const known = new Map(tables.map((table) => [table.name, table]));

interface Choice {
  readonly table?: LineageTable | undefined;
  readonly column?: LineageColumn | undefined;
}
type Focus = "up" | "down" | "both";
let choice: Choice = {};
let focus: Focus = "both";

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

/** Chooses a table or, as table.column, a column; with nothing, shows all. */
function choose(place = ""): void {
  const table = known.get(place) ?? tableAt(place);
  choice = { table, column: known.has(place) ? undefined : columnAt(place) };
  history.replaceState(null, "", table === undefined ? "#" : `#${place}`);
  byId("found").replaceChildren();
  byId("panel").innerHTML = panel(tables, table, choice.column, usersOf).text;
  byId("panel").scrollTop = 0;
  light();
}

/** Shows what of the tables and columns has all these words in its name. */
function find(text: string): void {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const places = tables.flatMap(({ name, columns }) => [
    name,
    ...columns.map((each) => `${name}.${each.name}`),
  ]);
  const found = places.filter((place) => words.length > 0 && words.every((word) => place.includes(word)));
  const none = words.length > 0 && found.length === 0 && html`<p>There is none like that.</p>`;
  byId("found").innerHTML = html`${found.slice(0, 40).map((place) => placeLink(place))}${none}`.text;
}

byId("legend").innerHTML = html`${Object.entries(KINDS).map(
  ([kind, { fill, border, means }]) =>
    html`<span style="--fill:${fill};--border:${border}" title="${means}">${kind}</span>`,
)}`.text;
graph.on("tap", ({ target }) =>
  choose(target === graph ? "" : target.isNode() ? target.id() : target.data("target")),
);
document.addEventListener("click", ({ target }) => {
  const { place, focus: direction, zoom } = (target as HTMLElement).dataset;
  if (place !== undefined) choose(place);
  if (direction !== undefined) {
    focus = direction as Focus;
    for (const each of document.querySelectorAll("[data-focus]"))
      each.setAttribute("aria-pressed", String(each === target));
    light();
  }
  if (zoom === "fit") frame(graph.elements(":visible"));
  else if (zoom !== undefined)
    graph.zoom({
      level: graph.zoom() * Number(zoom),
      renderedPosition: { x: graph.width() / 2, y: graph.height() / 2 },
    });
});
const search = byId("search") as HTMLInputElement;
search.addEventListener("input", () => find(search.value));
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "Escape") choose();
  if (key === "Enter" && target === search) byId("found").querySelector("button")?.click();
});
window.addEventListener("resize", () => graph.resize());
window.addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1))));

// The header is as high as its legend makes it.
graph.resize();
choose(decodeURIComponent(location.hash.slice(1)));
// For tests and the console of the browser.
Object.assign(window, { graph });
