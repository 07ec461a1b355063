import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { html, scriptCode, scriptJson } from "../../../../local/report/html.ts";
import type { LineageTable } from "./tables.ts";

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** The script of the page with its libraries. */
export async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [here("page.ts")],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

/** The lineage as one HTML document that needs nothing from the network. */
export function lineageDocument(tables: readonly LineageTable[], script: string): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>Lineage</title>
<style>${scriptCode(readFileSync(here("page.css"), "utf8"))}</style>
</head>
<body>
<header>
<h1>Lineage</h1>
<div class="find"><input id="search" type="search" placeholder="Find a table or column" aria-label="Find a table or column" autocomplete="off"><div id="found"></div></div>
<div role="group" aria-label="What of the chosen table's lineage is shown">
<button type="button" data-focus="both" aria-pressed="true">Both ways</button>
<button type="button" data-focus="up" aria-pressed="false">Upstream</button>
<button type="button" data-focus="down" aria-pressed="false">Downstream</button>
</div>
<div role="group" aria-label="Zoom">
<button type="button" data-zoom="1.3" aria-label="Closer">+</button>
<button type="button" data-zoom="0.77" aria-label="Farther">−</button>
<button type="button" data-zoom="fit">Fit</button>
</div>
<div class="legend" id="legend"></div>
</header>
<div id="graph" role="img" aria-label="Graph of the tables; the list beside it has the same links"></div>
<aside id="panel" aria-live="polite"></aside>
<script type="application/json" id="tables">${scriptJson(tables)}</script>
<script>${scriptCode(script)}</script>
</body>
</html>
`.text;
}
