"use strict";
// The charts of a training, and their controls.

const lossChart = new Chart("Losses", { log: true });
const charts = {
  losses: lossChart,
  validation: new Chart("Validation", { smooth: false }),
  rate: new Chart("Learning rate", { smooth: false, steps: true, lowest: 0 }),
  seconds: new Chart("Seconds per image", { lowest: 0 }),
  discriminators: new Chart("Health of the discriminators", { lowest: 0, highest: 1 }),
  generators: new Chart("Health of the generators"),
};
const { losses: first, validation: second, ...others } = charts;

const key = make("p", { class: "note marks" });
const curves = make(
  "section",
  { id: "curves" },
  make("div", { class: "head" }, make("h2", {}, "Curves"), chartControls()),
  make("div", { class: "charts large" }, first.element, second.element),
  make("div", { class: "charts small" }, ...Object.values(others).map(({ element }) => element)),
  key,
);

function drawCurves() {
  const names = namesByChart();
  const points = data.points.filter(({ numbers }) => !Object.keys(numbers).some(isMetric));
  curves.hidden = !points.length;
  view.marks = marks();
  const plot = (chart, names, points) => {
    const { x, lines } = seriesOf(names, points);
    chart.set(x, lines);
  };
  for (const name of ["losses", "discriminators", "generators"])
    plot(charts[name], names[name], points);
  plot(charts.rate, ["lr"], points);
  plot(charts.validation, names.validation, data.points);
  const timed = points.some(({ numbers }) => "time" in numbers && "data" in numbers);
  charts.seconds.set(
    points.map(({ x }) => x),
    timed ? timeSplit(points) : {},
  );
  const results = validationResults();
  charts.validation.title.textContent = results
    ? `Validation: ${results.metric} ${format(results.last.value)}, ` +
      `best ${format(results.best.value)} in epoch ${results.best.epoch}`
    : "Validation";
  drawKey();
}

// Explains the marks that the charts have.
function drawKey() {
  const texts = { best: "best epoch", resumed: "resumed", warning: "warning" };
  const kinds = Object.keys(texts).filter((kind) => view.marks.some((mark) => mark.kind === kind));
  key.replaceChildren(
    ...kinds.map((kind) => make("span", {}, make("i", { class: kind }), texts[kind])),
  );
  key.hidden = !kinds.length;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
for (const event of ["beforeprint", "afterprint"]) addEventListener(event, redrawAll);
