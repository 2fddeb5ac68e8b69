"use strict";
// Draws the training page from the events in data.js, which is read again while the training runs.

let panels = [],
  training;

// Numbers with charts of their own; all others are health measurements or validation metrics.
const CHARTED = ["lr", "time", "data", "logging"];
const losses = new Chart("Losses", { wide: true, log: true });
const seconds = new Chart("Seconds per image"),
  rate = new Chart("Learning rate", { smooth: false }),
  health = new Chart("Health");
const validation = new Chart("Validation", { smooth: false });

// A button that is switched on and off; `change` gets its new state.
function toggleButton(text, title, change) {
  const button = make(
    "button",
    {
      title,
      "aria-pressed": false,
      onclick: () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", on);
        change(on);
      },
    },
    text,
  );
  return button;
}

const state = make("span", { class: "state" }),
  done = make("div"),
  when = make("p", { class: "note" });
const warnings = make("div", { id: "warnings" });
const smooth = make("input", {
  type: "range",
  min: 0,
  max: 0.99,
  step: 0.01,
  value: view.smooth,
  "aria-label": "Smoothing",
  oninput: () => {
    view.smooth = +smooth.value;
    redrawAll();
  },
});
const curves = make(
  "section",
  { id: "curves" },
  make(
    "div",
    { class: "head" },
    make("h2", {}, "Curves"),
    make(
      "div",
      { class: "bar" },
      make("label", {}, "Smoothing", smooth),
      toggleButton("Log", "Logarithmic axis for the losses", (on) => {
        view.log = on;
        redrawAll();
      }),
      make(
        "button",
        {
          title: "Drag across a chart to zoom in",
          onclick: () => zoomTo(null, null),
        },
        "Reset zoom",
      ),
    ),
  ),
  make(
    "div",
    { class: "charts" },
    losses.element,
    rate.element,
    seconds.element,
    health.element,
    validation.element,
  ),
);
const panel = make("section", { id: "panel" }),
  latest = make("section", { id: "latest" });
document
  .querySelector("h1")
  .after(
    make(
      "div",
      { id: "status" },
      make("div", { class: "progress" }, done),
      make("p", { class: "bar" }, state, when),
    ),
  );
// The last losses (the curves show them) and the rows are only for browsers without scripts.
document.querySelector("header > .note ~ .note").replaceWith(warnings);
document.querySelector("#rows").replaceChildren(panel, curves, latest);

function drawPanel() {
  panel.hidden = !data.panel.length;
  if (panel.hidden) return;
  const names = data.panel[data.panel.length - 1].rows.map((row) => row[0]);
  if (names.join("\n") !== panels.map((other) => other.name).join("\n")) {
    panels = names.map((name) => ({ name, epochs: new Epochs(name) }));
    const all = make("input", {
      type: "range",
      min: 0,
      max: 1,
      step: "any",
      value: 1,
      "aria-label": "Epoch of all images",
      oninput: () => {
        for (const { epochs } of panels) {
          epochs.slider.value = Math.round(all.value * epochs.slider.max);
          epochs.show();
        }
      },
    });
    panel.replaceChildren(
      make(
        "div",
        { class: "head" },
        make("h2", {}, "Validation images"),
        make(
          "div",
          { class: "bar" },
          make("label", {}, "All images", all),
          toggleButton("Play", "Play through the epochs", play),
        ),
      ),
      ...panels.map(({ epochs }) => epochs.element),
    );
  }
  panels.forEach(({ name, epochs }, i) =>
    epochs.set(
      data.panel
        .filter(({ rows }) => rows[i] && rows[i][0] === name)
        .map(({ epoch, rows }) => ({ epoch, figures: rows[i][1] })),
    ),
  );
}

let player = 0;
function play(on) {
  clearInterval(player);
  if (on)
    player = setInterval(() => {
      for (const { epochs } of panels) {
        epochs.slider.value = (+epochs.slider.value + 1) % epochs.epochs.length;
        epochs.show();
      }
    }, 400);
}

function drawLatest() {
  latest.hidden = !data.images.length;
  if (latest.hidden) return;
  if (!training)
    latest.append(
      make("h2", {}, "Training images"),
      (training = new Epochs("Latest batch")).element,
    );
  training.set(data.images);
}

// Draws the numbers `names` of the points that have any of them.
function plot(chart, names, points) {
  const measured = points.filter(({ numbers }) => names.some((name) => name in numbers));
  const values = (name) => measured.map(({ numbers }) => numbers[name] ?? NaN);
  const lines = Object.fromEntries(names.map((name) => [name, values(name)]));
  chart.set(
    measured.map(({ x }) => x),
    lines,
  );
}

function drawCurves() {
  const namesOf = (points) => [...new Set(points.flatMap(({ numbers }) => Object.keys(numbers)))];
  const isMetric = (name) => name.startsWith("val_");
  const validations = data.points.filter((point) => namesOf([point]).some(isMetric));
  const points = data.points.filter((point) => !validations.includes(point));
  const names = namesOf(points);
  const lossCount = names.findIndex((name) => CHARTED.includes(name)); // losses come first
  const lossNames = lossCount < 0 ? names : names.slice(0, lossCount);
  const metrics = namesOf(validations).filter((name) => !CHARTED.includes(name));
  curves.hidden = !points.length;
  plot(losses, lossNames, points);
  plot(rate, ["lr"], points);
  plot(
    health,
    names.slice(lossNames.length).filter((name) => !CHARTED.includes(name)),
    points,
  );
  plot(validation, metrics, validations);
  if (validations.length) validation.title.textContent = validationTitle(validations, metrics);
  const timed = names.includes("time") && names.includes("data");
  seconds.set(
    points.map(({ x }) => x),
    timed ? timeSplit(points) : {},
  );
}

function drawStatus() {
  const begin = data.begins[data.begins.length - 1];
  const { points } = data;
  if (!begin) return;
  const now = data.end || (alive() ? "running" : "silent");
  const at =
    now === "finished" ? begin.epochs : points.length ? points[points.length - 1].x : begin.at;
  const epoch = Math.min(begin.epochs, Math.floor(at) + 1);
  const style = { dateStyle: "medium", timeStyle: "short" };
  const date = (time) => new Date(time * 1000).toLocaleString([], style);
  state.className = `state ${now}`;
  state.textContent = now === "silent" ? "no updates" : now;
  done.style.width = `${(100 * at) / begin.epochs}%`;
  const since = points.filter(({ part }) => part === data.begins.length).slice(-200);
  const first = since[0];
  const last = since[since.length - 1];
  const secondsPerEpoch =
    since.length > 1 && last.x > first.x ? (last.time - first.time) / (last.x - first.x) : NaN;
  const left = secondsPerEpoch * (begin.epochs - at);
  const place = `Epoch ${epoch} of ${begin.epochs}`;
  const end = left >= 0 ? `, about ${duration(left)} left (until ${date(data.time + left)})` : "";
  const details = {
    running: place + end,
    finished: `${begin.epochs} epochs, finished ${date(data.time)}`,
    stopped: `${place}, ${date(data.time)}. Resume with ${begin.resume || "--continue_train"}`,
    silent: `${place}. Last update: ${date(data.time)}; reload the page to check again`,
  };
  when.textContent = details[now];
}

function drawWarnings() {
  const epochsOf = new Map();
  const facts = data.texts.filter(({ epoch }) => !epoch).map(({ message }) => message);
  for (const { epoch, message } of data.texts.filter(({ epoch }) => epoch))
    epochsOf.set(message, [...(epochsOf.get(message) || []), epoch]);
  warnings.replaceChildren(
    ...[...new Set(facts)].map((fact) => make("p", { class: "note" }, fact)),
    ...[...epochsOf].slice(-8).map(([message, epochs]) => {
      const first = epochs[0],
        last = epochs[epochs.length - 1];
      const when = first === last ? `epoch ${first}` : `epochs ${first} to ${last}`;
      return make("p", { class: "warning", role: "note" }, `${message} (${when})`);
    }),
  );
}

function draw() {
  drawStatus();
  drawWarnings();
  drawPanel();
  drawCurves();
  drawLatest();
}

// Adds the script again instead of fetching the file: fetch does not work from file://.
function again() {
  const before = data,
    script = make("script", { src: `data.js?${Date.now()}` });
  data = emptyData();
  script.onload = script.onerror = () => {
    script.remove();
    if (!data.begins.length) data = before; // data.js could not be read
    draw();
    if (alive()) setTimeout(again, RELOAD * 1000);
  };
  document.head.append(script);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
addEventListener("load", () => {
  draw();
  if (alive()) setTimeout(again, RELOAD * 1000);
});
