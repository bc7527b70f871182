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

// A link to another view of this page, or an address that was pasted over this one.
addEventListener("hashchange", () => { if (location.hash.includes("=")) location.reload(); });

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

const NONE = "–";

// Which recordings a method loses: with at least half of its seeds, as the column "Methods that lose it" counts.
function lostBy(name, heads, api) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  const first = heads.indexOf("Methods that lose it") + 1;
  label.append("Lost by ", select);
  select.setAttribute("aria-label", "Lost by, filter");
  for (const head of ["any", ...heads.slice(first)]) select.add(new Option(head, head));
  select.value = view.get(name + ".Lost by") ?? "any";
  if (select.selectedIndex < 0) select.value = "any";
  const half = (text) => { const [lost, of] = text.split("/"); return 2 * lost >= of; };
  const apply = () => {
    for (let column = first; column < heads.length; column++) api.column(column).search(heads[column] === select.value ? half : "");
  };
  select.addEventListener("change", () => {
    apply();
    api.order(select.value === "any" ? [] : [[heads.indexOf(select.value), "desc"]]).draw();
    setView(name + ".Lost by", select.value, "any");
  });
  apply();
  return label;
}

// Columns that say nothing of the rows that are shown, e.g. methods that another network has, are not shown either.
function hideUnused(api, hidden) {
  const unused = new Set();
  const refresh = () => {
    const rows = api.rows({ search: "applied" }).nodes().toArray();
    for (const column of api.columns().indexes().toArray()) {
      const none = rows.length > 0 && rows.every((row) => api.cell(row, column).node().textContent.trim() === NONE);
      if (none === unused.has(column)) continue;
      if (none) unused.add(column); else unused.delete(column);
      if (!hidden().includes(column)) api.column(column).visible(!none, false);
    }
  };
  api.on("draw.dt", refresh);
  refresh();
  return unused;
}

// The scoreboard: sorted by a column, the best first; networks stay together, and numbers that are missing come last.
function sortBoard(DataTable, table) {
  const name = table.dataset.sorted;
  const heads = Array.from(table.tHead.rows[0].cells);
  for (const head of heads) head.dataset.name = head.textContent.trim();
  const wanted = view.get(name + ".order") ?? "", dot = wanted.lastIndexOf(".");
  const asked = [wanted.slice(0, dot), wanted.slice(dot + 1)];
  const column = heads.findIndex((head) => head.dataset.name === asked[0]);
  const grouped = heads[0].className === "network";
  const api = new DataTable(table, {
    paging: false, info: false, searching: false, autoWidth: false,
    order: column >= 0 && ["asc", "desc"].includes(asked[1]) ? [[column, asked[1]]] : [],
    orderFixed: grouped ? { pre: [[0, "asc"]] } : [],
    columnDefs: heads.map((head, i) => ({
      targets: i,
      orderable: "first" in head.dataset || head.textContent === "Method",
      orderSequence: head.dataset.first === "desc" ? ["desc", "asc", ""] : ["asc", "desc", ""],
    })),
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
  });
  scrollAlone(api, table);
  const own = () => api.order().filter(([i, direction]) => direction && !(grouped && i === 0));
  const mark = () => {  // DataTables tells readers of the first column that it sorts by, here always the network
    table.classList.toggle("dt-ordered", own().length > 0);
    for (const head of heads) head.removeAttribute("aria-sort");
    for (const [i, direction] of own()) heads[i].setAttribute("aria-sort", direction + "ending");
  };
  mark();
  api.on("draw.dt", mark);
  api.on("order.dt", () => {
    const [first] = own();
    setView(name + ".order", first ? `${heads[first[0]].dataset.name}.${first[1]}` : "");
    mark();
  });
}

function explore(DataTable, table) {
  const name = table.dataset.explore;
  const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent.trim());
  const order = (view.get(name + ".order") ?? "").split(".");
  let hidden = (view.get(name + ".hidden") ?? "").split(".").filter(Boolean).map(Number);
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
  if (name === "lost_recordings") filters.append(lostBy(name, heads, api));
  api.draw();
  const unused = hideUnused(api, () => hidden);
  api.on("order.dt", () => setView(name + ".order", (api.order()[0] ?? []).slice(0, 2).join(".")));
  api.on("search.dt", () => setView(name + ".search", api.search()));
  api.on("column-visibility.dt", (event, settings, column, visible) => {
    if (unused.has(column)) return;
    hidden = visible ? hidden.filter((i) => i !== column) : [...new Set([...hidden, column])].sort((a, b) => a - b);
    setView(name + ".hidden", hidden.join("."));
  });
  const container = scrollAlone(api, table);
  container.prepend(filters);
  container.querySelector("input[type=search]").setAttribute("aria-label", `Search in: ${table.getAttribute("aria-label")}`);
}

// Only the table itself scrolls sideways, not what steers it; returns what now holds both.
function scrollAlone(api, table) {
  const container = api.table().container(), scroll = container.closest(".scroll");
  scroll.replaceWith(container);
  table.replaceWith(scroll);
  scroll.replaceChildren(table);
  return container;
}

async function exploreTables() {
  const style = document.createElement("style");
  style.textContent = await unpack("packed-tables-style");
  document.head.prepend(style);
  const { default: DataTable } = await import(blobUrl(await unpack("packed-tables")));
  DataTable.ext.errMode = "throw";
  for (const table of document.querySelectorAll("table[data-explore]")) explore(DataTable, table);
  for (const table of document.querySelectorAll("table[data-sorted]")) sortBoard(DataTable, table);
  document.documentElement.dataset.tables = "ready";
}

// --- what is wider than the page fades out at the side where there is more

for (const box of document.querySelectorAll(".scroll, figure > div[role=img]")) {
  const look = () => box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(box);
  if (box.firstElementChild) new ResizeObserver(look).observe(box.firstElementChild);
}

// --- a recording on its way through the network: time passes over the picture

const SECONDS = 10, STILL_STEPS = 8;

function startPlayer(figure) {
  const counts = JSON.parse(figure.querySelector(".run-counts").textContent);
  const svg = figure.querySelector("svg"), player = figure.querySelector(".player");
  const button = player.querySelector("button"), told = player.querySelector("output");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dots = Array.from(svg.querySelectorAll("g[id*='-dots-']"));
  const make = (kind, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  // The panels share their time axis: from the left edge of the input's panel to its right edge.
  const panels = Array.from(svg.querySelectorAll("g[id*='-axes_'] > g[id*='patch_']:first-of-type"), (patch) => patch.getBBox());
  const { x: left, width } = panels[0];
  const top = panels[0].y, bottom = panels.at(-1).y + panels.at(-1).height;
  const clip = make("clipPath", { id: "passed", clipPathUnits: "userSpaceOnUse" });
  const passed = make("rect", { x: left - 5, y: 0, width: width + 10, height: bottom });
  const head = make("line", { class: "playhead", y1: top, y2: bottom, visibility: "hidden" });
  clip.append(passed);
  svg.append(clip, head);
  let from = 0, frame = 0, at = 0;

  const words = () => { button.textContent = still.matches ? (at > 0 && at < 1 ? "Next step" : "Play step by step") : frame ? "Stop" : `Play (${SECONDS} s)`; };

  function show(fraction) {  // the state of the recording after this fraction of its time
    at = fraction;
    figure.dataset.at = fraction.toFixed(3);
    for (const group of dots) if (fraction < 1) group.setAttribute("clip-path", "url(#passed)"); else group.removeAttribute("clip-path");
    passed.setAttribute("width", Math.max(0, fraction * width + 5));
    for (const end of ["x1", "x2"]) head.setAttribute(end, left + fraction * width);
    head.setAttribute("visibility", fraction < 1 ? "visible" : "hidden");
    const bin = Math.min(counts.spikes.length - 1, Math.floor(fraction * counts.spikes.length));
    const before = Math.max(0, bin - 2);
    const rate = (counts.spikes[bin] - counts.spikes[before]) / Math.max(1, bin - before) / (counts.spikes.at(-1) / counts.spikes.length);
    const soFar = `${Math.round(fraction * counts.ms)} ms: ${Math.round(100 * counts.events[bin])} % of the events, ${counts.spikes[bin].toLocaleString("en")} spikes so far. `;
    told.textContent = soFar + (fraction >= 1 ? "That was all of the work: no step was computed in which nothing happened."
      : rate < 0.25 ? "Hardly anything moves: no events, no spikes, nothing to compute."
      : "The picture moves: every event is passed on at once, layer by layer.");
    words();
  }

  function run(now) {
    const fraction = Math.min(1, Math.max(0, now - from) / (1000 * SECONDS));  // a frame may have begun before the click
    frame = fraction < 1 ? requestAnimationFrame(run) : 0;
    show(fraction);
  }

  button.addEventListener("click", () => {
    if (still.matches) return show(at >= 1 || !at ? 1 / STILL_STEPS : Math.min(1, at + 1 / STILL_STEPS));
    if (frame) { cancelAnimationFrame(frame); frame = 0; return show(1); }
    from = performance.now();
    frame = requestAnimationFrame(run);
  });
  still.addEventListener("change", words);
  addEventListener("beforeprint", () => { cancelAnimationFrame(frame); frame = 0; show(1); });
  words();
  player.hidden = false;
}

const picture = document.getElementById("figure-events_through_network");
if (picture?.querySelector(".run-counts")) startPlayer(picture);

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
    const narrow = chart.clientWidth < 560;  // the legend below instead of beside
    const wide = Math.max(200, Math.min(760, chart.clientWidth - (narrow ? 90 : 230)));
    const spec = {
      description: `${labelOf(choice.y)} against ${labelOf(choice.x)}, one point a seed; the same points are in the table below.`,
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
        legend: { labelColor: ink, titleColor: ink, ...(narrow ? { orient: "bottom", columns: 2 } : {}) }, header: { labelColor: ink, titleColor: ink }, view: { stroke: grid } },
    };
    const { view: drawn } = await window.vegaEmbed(chart, spec, { actions: { export: true, source: false, compiled: false, editor: false }, renderer: "svg", ast: true });
    chart.querySelector("summary svg")?.setAttribute("aria-hidden", "true");  // its title names it
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
