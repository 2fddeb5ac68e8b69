"use strict";
// The index of runs: sorts and filters the rows of the table, and draws the selected runs on top of
// each other. The address holds what is shown, so that it survives a reload and can be shared.

const FIRST = 6; // runs with curves that are selected at first: the newest ones
const AGAIN = 60; // seconds between two reloads while a training runs

const rows = [...document.querySelectorAll("#runs tbody tr")];
const nameOf = (i) => rows[i].dataset.name;

// What is shown, as in the address: the view, the search, the state, the order and the runs.
const VIEWS = { table: "Runs", curves: "Compare curves", options: "Compare options" };
const ORDERS = {
  updated: "Newest first",
  run: "By name",
  state: "By state",
  best: "Best metric first",
};
const shown = { view: "table", search: "", state: "", sort: "updated", runs: null };

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  for (const key of ["view", "search", "state", "sort"]) shown[key] = address.get(key) ?? "";
  if (!(shown.view in VIEWS)) shown.view = "table";
  if (!(shown.sort in ORDERS)) shown.sort = "updated";
  const wanted = address.getAll("run");
  shown.runs = address.has("run") ? new Set(wanted.filter((name) => name)) : null;
}

function writeAddress() {
  const address = new URLSearchParams();
  if (shown.view !== "table") address.set("view", shown.view);
  if (shown.search) address.set("search", shown.search);
  if (shown.state) address.set("state", shown.state);
  if (shown.sort !== "updated") address.set("sort", shown.sort);
  if (shown.runs)
    for (const name of shown.runs.size ? shown.runs : [""]) address.append("run", name);
  const hash = `${address}` ? `#${address}` : location.pathname + location.search;
  history.replaceState(null, "", hash);
}

// The numbers of the selected runs, newest first.
function selected() {
  const all = rows.map((_, i) => i);
  if (shown.runs) return all.filter((i) => shown.runs.has(nameOf(i)));
  return all.filter(hasCurves).slice(0, FIRST);
}

function select(names) {
  shown.runs = new Set(names);
  update();
}

// Controls
const search = make("input", {
  type: "search",
  placeholder: "Search names, notes, options",
  "aria-label": "Search names, notes, options",
  oninput: () => {
    shown.search = search.value;
    update();
  },
});
const states = [...new Set(rows.map((row) => row.dataset.state))].sort();
const state = make(
  "select",
  {
    "aria-label": "State",
    onchange: () => {
      shown.state = state.value;
      update();
    },
  },
  make("option", { value: "" }, "All states"),
  ...states.map((name) => make("option", { value: name }, name)),
);
const order = make(
  "select",
  {
    "aria-label": "Order",
    onchange: () => {
      shown.sort = order.value;
      update();
    },
  },
  ...Object.entries(ORDERS).map(([value, text]) => make("option", { value }, text)),
);
const tabs = Object.keys(VIEWS).map((view) =>
  make("button", {
    "data-view": view,
    onclick: () => {
      shown.view = view;
      update();
    },
  }),
);
const count = make("span", { class: "note", role: "status" });
const filters = make("span", { class: "bar filters" }, search, state, order, count);
const bar = make("nav", { class: "bar sticky" }, make("span", { class: "bar" }, ...tabs), filters);
const chosen = make("div", { class: "bar chosen" });

const boxes = rows.map((row, i) => {
  const box = make("input", {
    type: "checkbox",
    "aria-label": `Compare ${nameOf(i)}`,
    onchange: () => {
      const names = new Set(selected().map(nameOf));
      box.checked ? names.add(nameOf(i)) : names.delete(nameOf(i));
      select(names);
    },
  });
  row.prepend(make("td", { class: "pick" }, box));
  return box;
});
document
  .querySelector("#runs thead tr")
  .prepend(make("th", { scope: "col" }, make("span", { class: "unseen" }, "Compare")));
for (const cell of document.querySelectorAll("#runs th[data-sort]")) {
  const sort = () => {
    order.value = shown.sort = cell.dataset.sort;
    update();
  };
  const { textContent } = cell;
  const button = make("button", { title: ORDERS[cell.dataset.sort], onclick: sort }, textContent);
  cell.replaceChildren(button);
}
for (const time of document.querySelectorAll("time")) {
  const style = { dateStyle: "medium", timeStyle: "short" };
  const { seconds } = time.dataset;
  if (+seconds) time.textContent = new Date(seconds * 1000).toLocaleString([], style);
}

// The table
const text = rows.map((row) => row.textContent.toLowerCase());
const RUNNING_FIRST = ["running", "failed", "interrupted", "finished", "weights"];

function comparison() {
  const of = (i) => rows[i].dataset;
  const newest = (a, b) => a - b; // the order of the file
  return {
    updated: newest,
    run: (a, b) => nameOf(a).localeCompare(nameOf(b), [], { numeric: true }),
    state: (a, b) =>
      RUNNING_FIRST.indexOf(of(a).state) - RUNNING_FIRST.indexOf(of(b).state) || newest(a, b),
    best: (a, b) =>
      !of(a).metric - !of(b).metric ||
      of(a).metric.localeCompare(of(b).metric) ||
      of(b).value - of(a).value ||
      newest(a, b),
  }[shown.sort];
}

// The rows of sorted runs. Runs of one folder, such as those of a sweep, stand together where the
// first of them stands, below a line with the name of the folder.
function inGroups(sorted) {
  const folders = new Map();
  for (const i of sorted) {
    const folder = nameOf(i).split("/").slice(0, -1).join("/");
    const key = folder || i; // a run in no folder stands alone
    folders.set(key, [...(folders.get(key) ?? []), i]);
  }
  return [...folders].flatMap(([folder, runs]) => {
    const found = runs.map((i) => rows[i]);
    found.forEach((row) => row.classList.toggle("member", runs.length > 1));
    return runs.length > 1 ? [groupLine(folder, runs), ...found] : found;
  });
}

function groupLine(folder, runs) {
  const compare = () => {
    shown.view = "curves";
    select(runs.map(nameOf));
  };
  const button = make("button", { onclick: compare }, "Compare curves");
  const note = make("span", { class: "note" }, `${runs.length} runs`);
  const cell = make("th", { colspan: 5, scope: "rowgroup" }, `${folder}/ `, note, " ", button);
  return make("tr", { class: "group" }, cell);
}

function drawTable() {
  const words = shown.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (i) =>
    words.every((word) => text[i].includes(word)) &&
    (!shown.state || rows[i].dataset.state === shown.state);
  const found = rows.map((_, i) => i).filter(fits);
  rows.forEach((row, i) => (row.hidden = !fits(i)));
  for (const line of document.querySelectorAll("#runs .group")) line.remove();
  document.querySelector("#runs tbody").append(...inGroups(found.sort(comparison())));
  for (const cell of document.querySelectorAll("#runs th[data-sort]"))
    cell.dataset.sort === shown.sort
      ? cell.setAttribute("aria-sort", shown.sort === "updated" ? "descending" : "ascending")
      : cell.removeAttribute("aria-sort");
  const some = found.length ? `${found.length} of ${rows.length}` : "No match";
  count.textContent = found.length === rows.length ? "" : some;
}

// Everything together
const table = document.querySelector("main");
table.before(bar);
table.after(chosen, curves, options);

function drawChosen(runs) {
  const looks = runStyles(runs.length);
  boxes.forEach((box, i) => {
    const place = runs.indexOf(i);
    box.checked = place >= 0;
    box.style.accentColor = place >= 0 ? `var(${looks[place].colour})` : "";
  });
  const chips = runs.map((i, k) => {
    const { colour, dash } = looks[k];
    const stroke = `stroke="var(${colour})" stroke-width="3" stroke-dasharray="${dash}"`;
    const others = () => select(runs.filter((other) => other !== i).map(nameOf));
    const chip = make("button", { title: `Remove ${nameOf(i)}`, onclick: others });
    chip.innerHTML = `<svg viewBox="0 0 22 8"><path d="M0 4h22" ${stroke}/></svg>`;
    chip.append(nameOf(i), make("span", { "aria-hidden": true }, " ×"));
    return chip;
  });
  const none = make("button", { class: "none", onclick: () => select([]) }, "Select none");
  chosen.replaceChildren(...chips, ...(runs.length > 1 ? [none] : []));
}

function update() {
  const runs = selected();
  const names = runs.map(nameOf);
  writeAddress();
  for (const tab of tabs) {
    const { view } = tab.dataset;
    tab.setAttribute("aria-pressed", view === shown.view);
    tab.textContent = view === "table" ? VIEWS[view] : `${VIEWS[view]} (${runs.length})`;
  }
  table.hidden = filters.hidden = shown.view !== "table";
  chosen.hidden = shown.view === "table";
  curves.hidden = shown.view !== "curves";
  options.hidden = shown.view !== "options";
  drawTable();
  drawChosen(runs);
  if (shown.view === "curves") drawCurves(runs, names);
  if (shown.view === "options") drawOptions(runs, names);
}

function start() {
  readAddress();
  search.value = shown.search;
  state.value = shown.state;
  order.value = shown.sort;
  update();
}
start();
addEventListener("hashchange", start);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

// While a training runs, the page is loaded again unless its reader has just used it.
let used = 0;
for (const kind of ["pointermove", "pointerdown", "keydown", "scroll"])
  addEventListener(kind, () => (used = Date.now()), { passive: true });
if (states.includes("running"))
  setInterval(() => {
    if (Date.now() - used > AGAIN * 500 && document.visibilityState === "visible")
      location.reload();
  }, AGAIN * 1000);
