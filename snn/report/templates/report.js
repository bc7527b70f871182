// What a reader can do with the page. Without this script the page says the same: tables are whole, figures are there.
// The view (sorting, filters, hidden columns, the explorer's choices) is kept in the address after `#`, to be linked.

const FILTERED = ["Data", "Network", "Method", "Against", "Inference", "Normalisation", "Measure", "Claim", "Verdict", "Paper"];
const COMMON = "common modes";
const UNCOMMON = /depth-first|as on Speck/;

// --- the view in the address

function readView() {
  const hash = location.hash.slice(1);
  return new URLSearchParams(hash.includes("=") ? hash : "");
}

const view = readView();

function setView(key, value, initial = "") {
  if (value === initial) view.delete(key); else view.set(key, value);
  history.replaceState(null, "", view.size ? "#" + view.toString() : location.pathname + location.search);
}

// --- packed libraries

async function unpack(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function blobUrl(source) {
  return URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
}

// --- the scoreboard's switch

for (const radio of document.querySelectorAll("input[name=inference]")) {
  radio.addEventListener("change", () => setView("inference", radio.value, "1"));
  if (view.get("inference") === radio.value) radio.checked = true;
}

// --- tables

function choices(table, column) {
  const values = new Set(Array.from(table.tBodies[0].rows, (row) => row.cells[column].textContent.trim()));
  return Array.from(values);
}

function filterOf(table, name, column, head, api) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.setAttribute("aria-label", `${head}, filter`);
  label.append(head + " ", select);
  const values = choices(table, column);
  const hasUncommon = head === "Inference" && values.some((value) => UNCOMMON.test(value));
  for (const value of ["all", ...(hasUncommon ? [COMMON] : []), ...values]) select.add(new Option(value, value));
  const initial = hasUncommon ? COMMON : "all";
  const key = name + "." + head;
  select.value = view.get(key) ?? initial;
  if (select.selectedIndex < 0) select.value = initial;
  const apply = () => {
    const value = select.value;
    const test = value === "all" ? "" : value === COMMON ? (text) => !UNCOMMON.test(text) : (text) => text.trim() === value;
    api.column(column).search(test);
  };
  select.addEventListener("change", () => { apply(); api.draw(); setView(key, select.value, initial); });
  apply();
  return label;
}

function explore(DataTable, table) {
  const name = table.dataset.explore;
  const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent.trim());
  const scroll = table.closest(".scroll");
  const order = (view.get(name + ".order") ?? "").split(".");
  const hidden = (view.get(name + ".hidden") ?? "").split(".").filter(Boolean).map(Number);
  const api = new DataTable(table, {
    paging: false, autoWidth: false, order: order.length === 2 ? [[Number(order[0]), order[1]]] : [],
    columnDefs: [{ targets: hidden, visible: false }],
    search: { search: view.get(name + ".search") ?? "" },
    language: { search: "Search", info: "_TOTAL_ rows", infoFiltered: "of _MAX_", infoEmpty: "no row", zeroRecords: "No row has all of this." },
    layout: {
      topStart: { buttons: ["copy", { extend: "csv", text: "CSV", filename: name }, { extend: "colvis", text: "Columns" }] },
      topEnd: "search", bottomStart: "info", bottomEnd: null,
    },
  });
  const filters = document.createElement("div");
  filters.className = "filters";
  heads.forEach((head, column) => {
    if (FILTERED.includes(head) && choices(table, column).length > 1) filters.append(filterOf(table, name, column, head, api));
  });
  api.draw();
  api.on("order.dt", () => setView(name + ".order", (api.order()[0] ?? []).slice(0, 2).join(".")));
  api.on("search.dt", () => setView(name + ".search", api.search()));
  api.on("column-visibility.dt", () => {
    const now = heads.map((_, i) => i).filter((i) => !api.column(i).visible());
    setView(name + ".hidden", now.join("."));
  });
  // Only the table itself scrolls sideways, not what steers it.
  const container = api.table().container();
  container.prepend(filters);
  scroll.replaceWith(container);
  table.replaceWith(scroll);
  scroll.replaceChildren(table);
}

async function exploreTables() {
  const style = document.createElement("style");
  style.textContent = await unpack("packed-tables-style");
  document.head.prepend(style);
  const { default: DataTable } = await import(blobUrl(await unpack("packed-tables")));
  DataTable.ext.errMode = "throw";
  for (const table of document.querySelectorAll("table[data-explore]")) explore(DataTable, table);
  document.documentElement.dataset.tables = "ready";
}

// --- printing: what is folded away is opened

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));

exploreTables().then(() => {
  const first = Array.from(view.keys()).map((key) => document.getElementById("table-" + key.split(".")[0])).find(Boolean);
  if (first) first.scrollIntoView();
});

// --- the explorer: any metric against any other, every seed a point

const AXES = { x: "train/accuracy/", y: "deploy/accuracy/event-float/", colour: "method", panel: "network" };
const KINDS = { network: "Network", method: "Method", seed: "Seed", t_train: "T of training", dataset: "Data", "": "nothing" };

function startExplorer(section) {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const number = new Map(data.metrics.map((metric, i) => [metric.key, i]));
  const cellsWith = (key) => data.cells.filter((cell) => cell.values[number.get(key)] !== null).length;
  const first = (start) => {  // of the metrics that begin so, e.g. at several T, the one that most cells have
    const keys = data.metrics.map((metric) => metric.key).filter((key) => key.startsWith(start));
    return keys.sort((a, b) => cellsWith(b) - cellsWith(a))[0] ?? data.metrics[0].key;
  };
  const chart = section.querySelector(".chart");
  const rows = section.querySelector("tbody");
  const selects = {};
  let drawing = Promise.resolve();

  const fill = (axis, select) => {
    const categories = { colour: ["method", "network", "seed", "t_train"], panel: ["", "network", "method", "seed", "t_train"] }[axis];
    for (const kind of categories ?? []) select.add(new Option(KINDS[kind], kind));
    const groups = Map.groupBy ? Map.groupBy(data.metrics, (metric) => metric.phase) : new Map([["metrics", data.metrics]]);
    for (const [phase, metrics] of groups) {
      const group = document.createElement("optgroup");
      group.label = phase;
      for (const metric of metrics) group.append(new Option(`${phase}: ${metric.label}`, metric.key));
      select.append(group);
    }
    const initial = axis in { x: 1, y: 1 } ? first(AXES[axis]) : AXES[axis];
    select.value = view.get("explore." + axis) ?? initial;
    if (select.selectedIndex < 0) select.value = initial;
    select.addEventListener("change", () => { setView("explore." + axis, select.value, initial); draw(); });
  };

  const labelOf = (choice) => (number.has(choice) ? data.metrics[number.get(choice)].phase + ": " + data.metrics[number.get(choice)].label : KINDS[choice]);
  const valueOf = (cell, choice) => (number.has(choice) ? cell.values[number.get(choice)] : cell[choice]);

  const thirds = (choice, points) => {  // a metric as panels: its lower, middle and upper third
    const sorted = points.map((point) => point.panel).filter((value) => value !== null).sort((a, b) => a - b);
    const cuts = [sorted[Math.floor(sorted.length / 3)], sorted[Math.floor((2 * sorted.length) / 3)]];
    for (const point of points) {
      point.panel = point.panel === null ? "none" : point.panel < cuts[0] ? `1: below ${cuts[0]}` : point.panel < cuts[1] ? `2: ${cuts[0]} to ${cuts[1]}` : `3: from ${cuts[1]}`;
    }
  };

  async function draw() {
    const choice = Object.fromEntries(Object.entries(selects).map(([axis, select]) => [axis, select.value]));
    const points = data.cells
      .map((cell, i) => ({ i, x: valueOf(cell, choice.x), y: valueOf(cell, choice.y), colour: valueOf(cell, choice.colour), panel: valueOf(cell, choice.panel) ?? "",
        method: cell.method, network: cell.network, seed: cell.seed, T: cell.t_train }))
      .filter((point) => point.x !== null && point.y !== null);
    if (number.has(choice.panel)) thirds(choice.panel, points);
    fillRows(points, choice);
    section.querySelector(".count").textContent = `${points.length} of ${data.cells.length} cells have both numbers.`;
    const css = getComputedStyle(document.documentElement);
    const ink = css.getPropertyValue("--ink").trim(), grid = css.getPropertyValue("--grid").trim();
    const names = Array.from(new Set(points.map((point) => point.colour)));
    const byMethod = choice.colour === "method";
    const colour = number.has(choice.colour)
      ? { field: "colour", type: "quantitative", scale: { scheme: "viridis" }, title: labelOf(choice.colour) }
      : { field: "colour", type: "nominal", title: KINDS[choice.colour],
          scale: byMethod ? { domain: names, range: names.map((name) => data.looks[name].colour) } : { scheme: "category10" } };
    const shape = number.has(choice.colour) ? {} : { shape: { field: "colour", type: "nominal", title: KINDS[choice.colour],
      scale: byMethod ? { domain: names, range: names.map((name) => data.looks[name].shape) } : {} } };
    const panels = new Set(points.map((point) => point.panel)).size;
    const wide = Math.max(200, Math.min(760, chart.clientWidth - 230));
    const spec = {
      data: { values: points },
      mark: { type: "point", filled: true, size: 70, opacity: 0.8, cursor: "pointer" },
      encoding: {
        x: { field: "x", type: "quantitative", scale: { zero: false, nice: true }, title: labelOf(choice.x) },
        y: { field: "y", type: "quantitative", scale: { zero: false, nice: true }, title: labelOf(choice.y) },
        color: colour, ...shape,
        ...(choice.panel ? { facet: { field: "panel", type: "nominal", columns: wide > 500 ? 2 : 1, title: labelOf(choice.panel) } } : {}),
        tooltip: ["method", "network", "T", "seed", "x", "y"].map((field) => ({ field })),
      },
      width: choice.panel && panels > 1 && wide > 500 ? wide / 2 - 30 : wide, height: 280,
      config: { background: null, axis: { labelColor: ink, titleColor: ink, gridColor: grid, domainColor: grid, tickColor: grid, titleLimit: 420 },
        legend: { labelColor: ink, titleColor: ink }, header: { labelColor: ink, titleColor: ink }, view: { stroke: grid } },
    };
    const { view: drawn } = await window.vegaEmbed(chart, spec, { actions: { export: true, source: false, compiled: false, editor: false }, renderer: "svg", ast: true });
    drawn.addEventListener("click", (_, item) => { if (item?.datum && "i" in item.datum) show(item.datum.i); });
    section.dataset.drawn = String(points.length);
  }

  function fillRows(points, choice) {
    section.querySelector("th.x").textContent = labelOf(choice.x);
    section.querySelector("th.y").textContent = labelOf(choice.y);
    rows.replaceChildren(...points.map((point) => {
      const row = document.createElement("tr");
      for (const value of [point.method, point.network, point.T, point.seed, point.x, point.y]) row.insertCell().textContent = value;
      const button = document.createElement("button");
      button.textContent = "Cell";
      button.setAttribute("aria-label", `Show the cell ${point.method}, ${point.network}, seed ${point.seed}`);
      button.addEventListener("click", () => show(point.i));
      row.insertCell().append(button);
      return row;
    }));
  }

  function show(i) {
    const cell = data.cells[i], told = section.querySelector(".told");
    const lines = [[`${cell.method} on ${cell.network}`, `data ${cell.dataset}, T = ${cell.t_train}, seed ${cell.seed}`]];
    for (const job of cell.jobs) {
      lines.push([job.phase, `${job.status ?? ""}; commit ${job.commit ?? "unknown"}; token ${job.token ?? "unknown"}; log ${job.log ?? "unknown"}; ${job.seconds ? Math.round(job.seconds) + " s" : ""}`]);
    }
    if (!cell.jobs.length) lines.push(["Jobs", "these collected files, which an older version wrote, do not say"]);
    for (const [name, config] of [["Its own hyper-parameters", cell.own], ["Shared by all cells", data.common]]) {
      const words = Object.entries(config).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join(", ");
      if (words) lines.push([name, words]);
    }
    told.replaceChildren(...lines.flatMap(([name, value]) => {
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name; text.textContent = value;
      return [term, text];
    }));
    told.hidden = false;
    told.focus();
  }

  for (const select of section.querySelectorAll("select")) { selects[select.name] = select; fill(select.name, select); }
  section.querySelector(".needs-script").hidden = true;
  section.querySelector(".explorer").hidden = false;
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

async function loadExplorer(section) {
  await import(blobUrl(await unpack("packed-explorer")));
  startExplorer(section);
}

const explorer = document.getElementById("explore");
if (explorer) {
  const asked = Array.from(view.keys()).some((key) => key.startsWith("explore."));
  const seen = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { seen.disconnect(); loadExplorer(explorer); }
  }, { rootMargin: "400px" });
  seen.observe(explorer);
  if (asked) explorer.scrollIntoView();
}
