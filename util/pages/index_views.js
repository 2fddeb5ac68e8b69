"use strict";
// The views of the index that compare runs: curves on top of each other, and options that differ.
// index.js calls drawCurves and drawOptions with the numbers of the selected runs.

const compared = JSON.parse(document.querySelector("#compared").textContent);
const lines = document.querySelector("#curves").textContent.trim().split("\n");

// The curves of a run, "losses" and "validation"; {} if its line cannot be read.
const cache = new Map();
function curvesOf(i) {
  if (!cache.has(i)) {
    let curves = {};
    try {
      curves = JSON.parse(lines[i].split("\t")[2]);
    } catch {
      // a damaged line: the run has no curves
    }
    cache.set(i, curves);
  }
  return cache.get(i);
}
const hasCurves = (i) => (lines[i]?.split("\t")[2] ?? "{}") !== "{}";

const charts = new Map(); // title -> Chart
const grid = make("div", { class: "charts" });
view.smooth = 0; // the points are means already
const curves = make("section", { id: "curves-view" }, chartControls(), grid);

function drawCurves(runs, names) {
  const looks = runStyles(runs.length);
  const drawn = [];
  for (const kind of ["validation", "losses"]) {
    const found = runs.map((i) => curvesOf(i)[kind]);
    for (const name of quantities(found)) {
      const isLoss = kind === "losses" && !["lr", "time"].includes(name);
      const titles = { lr: "Learning rate", time: "Seconds per image" };
      const title = titles[name] ?? name.replace(/^val_/, "Validation: ");
      if (!charts.has(title)) charts.set(title, new Chart(title, { smooth: isLoss, log: isLoss }));
      const chart = charts.get(title);
      const { x, values } = merged(found, name);
      chart.looks = () => looks;
      drawn.push(chart.element);
      chart.element.hidden = false;
      chart.set(x, Object.fromEntries(names.map((name, k) => [name, values[k]])));
    }
  }
  const empty = make("p", { class: "note" }, "Select runs with curves in the table.");
  grid.replaceChildren(...(drawn.length ? drawn : [empty]));
  redrawAll();
}

// The options that differ
const options = make("section", { id: "options-view" });

function drawOptions(runs, names) {
  const found = differences(compared, runs);
  if (!found.length) {
    const reason =
      runs.length < 2
        ? "Select two or more runs in the table."
        : "These runs have the same options.";
    options.replaceChildren(make("p", { class: "note" }, reason));
    return;
  }
  const heads = names.map((name) => make("th", { scope: "col" }, name));
  const body = found.map(([name, values]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name),
      ...values.map((value) =>
        make("td", { class: value === compared.usual[name] ? "" : "other" }, value ?? "–"),
      ),
    ),
  );
  options.replaceChildren(
    make(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Options that differ" },
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Option"), ...heads)),
        make("tbody", {}, ...body),
      ),
    ),
  );
}
