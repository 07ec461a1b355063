/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import cytoscape from "cytoscape";
import dagre from "cytoscape-dagre";
import type { PageData } from "./document.ts";

// The script of the lineage page. It draws the graph and highlights the table or column that the URL's hash names.
const byId = (id: string): HTMLElement => document.getElementById(id)!;
const { tables, paths }: PageData = JSON.parse(byId("data").textContent!);
const canvas = document.createElement("canvas").getContext("2d")!;
canvas.font = "13px system-ui, sans-serif";

cytoscape.use(dagre);
const graph = cytoscape({
  container: byId("graph"),
  minZoom: 0.15,
  maxZoom: 1.5,
  boxSelectionEnabled: false,
  autoungrabify: true,
  elements: [
    ...tables.map(({ name, fill, border }) => ({ data: { id: name, fill, border } })),
    ...tables.flatMap(({ name, inputs }) =>
      inputs.map((input) => ({ data: { id: `${input} ${name}`, source: input, target: name } })),
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
}

/** Highlights the chosen table with all tables before and after it, or the path of the chosen column. */
function highlight(): void {
  const place = decodeURIComponent(location.hash.slice(1));
  const path = paths[place];
  graph.elements().removeClass("faded hidden lit chosen");
  const table = path === undefined ? place : place.slice(0, place.lastIndexOf("."));
  const node = graph.getElementById(table).addClass("chosen");
  const shown =
    path === undefined
      ? node.union(node.predecessors()).union(node.successors())
      : graph.filter((each) => path.includes(each.id())).addClass("lit");
  if (!node.empty())
    graph
      .elements()
      .difference(shown)
      .addClass(path === undefined ? "faded" : "hidden");
  layOut(path === undefined ? graph.elements() : shown);
}

graph.on("tap", ({ target }) => {
  location.hash = target === graph ? "" : target.isNode() ? target.id() : target.data("target");
});
byId("search").addEventListener("input", ({ target }) => {
  const { value } = target as HTMLInputElement;
  if (document.getElementById(value)?.closest("#panel")) location.hash = value;
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") location.hash = "";
});
window.addEventListener("resize", () => graph.resize());
window.addEventListener("hashchange", highlight);
graph.resize();
highlight();
// For tests and the browser's console.
Object.assign(window, { graph });
