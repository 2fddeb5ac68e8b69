"use strict";
// The training page. data.js calls run(kind, ...) for everything that has happened; while the training lives it is read again.

const AGAIN = 20, SILENT = 900; // seconds; a run that writes nothing for the second (or 5 of its own pauses) is taken for dead
let data, panels = [], training;

function fresh() { return { begins: [], keys: [], points: [], panel: [], images: [], texts: [], end: null, time: 0 }; }

function run(kind, ...values) {
  const add = {
    begin: (what) => { data.begins.push({ ...what, index: data.points.length }); data.end = null; data.time = what.time; },
    keys: (keys) => { data.keys = keys; },
    point: ([epoch, share, total, time, ...numbers]) => {
      data.points.push({ x: epoch - 1 + share, total, time, numbers: Object.fromEntries(data.keys.map((key, i) => [key, numbers[i]])) });
      data.time = time;
    },
    panel: (epoch, rows) => { data.panel.push({ epoch, rows }); },
    images: (epoch, figures, time) => {
      data.images = data.images.filter((each) => each.epoch < epoch).concat({ epoch, rows: [["", figures]], stamp: time });
      data.time = time;
    },
    text: (epoch, message, time) => { data.texts.push({ epoch, message }); data.time = time; },
    end: (state, time) => { data.end = state; data.time = time; },
  };
  add[kind](...values);
}

// What a chart of other numbers is not to show.
const OWN = ["lr", "time", "data", "logging"];
const losses = new Chart("Losses", { wide: true, log: true });
const seconds = new Chart("Seconds per image"), rate = new Chart("Learning rate", { smooth: false }), others = new Chart("Health");
const validation = new Chart("Validation", { smooth: false });

function pressed(text, title, change) {
  const button = make("button", { title, "aria-pressed": false, onclick: () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    change(on);
  } }, text);
  return button;
}

const state = make("span", { class: "state" }), done = make("div"), when = make("p", { class: "note" });
const warnings = make("div", { id: "warnings" });
const smooth = make("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: view.smooth, "aria-label": "Smoothing",
  oninput: () => { view.smooth = +smooth.value; redrawAll(); } });
const curves = make("section", { id: "curves" },
  make("div", { class: "head" }, make("h2", {}, "Curves"), make("div", { class: "bar" }, make("label", {}, "Smooth", smooth),
    pressed("Log", "Logarithmic scale of the losses", (on) => { view.log = on; redrawAll(); }),
    make("button", { title: "Drag over a chart to zoom; this shows all again", onclick: () => { view.from = view.to = null; redrawAll(); } }, "All"))),
  make("div", { class: "charts" }, losses.element, rate.element, seconds.element, others.element, validation.element));
const panel = make("section", { id: "panel" }), latest = make("section", { id: "latest" });
document.querySelector("h1").after(make("div", { id: "status" }, make("div", { class: "progress" }, done), make("p", { class: "bar" }, state, when)));
document.querySelector("header > .note ~ .note").replaceWith(warnings); // the last losses, which the curves show
document.querySelector("#rows").replaceChildren(panel, curves, latest); // instead of the epochs for readers without scripts

// A row of images with a slider through its epochs; it follows the newest one until it is moved.
class Epochs {
  constructor(name) {
    this.slider = make("input", { type: "range", min: 0, "aria-label": `Epoch of ${name}`, oninput: () => this.show() });
    this.output = make("output");
    this.grid = make("div", { class: "images" });
    this.element = make("section", { class: "row" },
      make("div", { class: "slide" }, make("h2", {}, name), make("span", {}, this.slider, this.output)), this.grid);
    this.epochs = [];
  }

  // epochs: {epoch, figures: [[label, url, width, height], ...], stamp} each
  set(epochs) {
    const follow = !this.epochs.length || +this.slider.value === this.epochs.length - 1;
    this.epochs = epochs;
    this.slider.max = epochs.length - 1;
    this.slider.disabled = epochs.length < 2;
    if (follow) this.slider.value = epochs.length - 1;
    this.show();
  }

  show() {
    const { epoch, figures, stamp } = this.epochs[+this.slider.value];
    this.output.textContent = `epoch ${epoch}`;
    if (figures.map((each) => each[0]).join() !== this.labels) this.build(figures);
    figures.forEach(([, url, width, height], i) => {
      const [link, image] = this.cells[i], source = url + (stamp ? `?${stamp}` : ""); // an epoch's images change while it runs
      if (image.getAttribute("src") === source) return;
      Object.assign(image, { src: source, width, height });
      link.href = url;
    });
    for (const near of [-1, 1].map((step) => this.epochs[+this.slider.value + step]).filter(Boolean))
      for (const [, url] of near.figures) new Image().src = url + (near.stamp ? `?${near.stamp}` : "");
  }

  build(figures) {
    const count = figures.length;
    this.labels = figures.map((each) => each[0]).join();
    this.grid.style = `--n:${count > 8 ? Math.ceil(count / 2) : count};--m:${count % 3 ? 2 : 3}`;
    this.cells = figures.map(([label]) => {
      const image = make("img", { alt: label }), link = make("a", {}, image);
      this.grid.append(make("figure", {}, link, make("figcaption", {}, label)));
      return [link, image];
    });
    this.grid.replaceChildren(...this.cells.map(([link]) => link.parentElement));
  }
}

function drawPanel() {
  panel.hidden = !data.panel.length;
  if (panel.hidden) return;
  const names = data.panel[data.panel.length - 1].rows.map((row) => row[0]);
  if (names.join("\n") !== panels.map((each) => each.name).join("\n")) {
    panels = names.map((name) => ({ name, epochs: new Epochs(name) }));
    const all = make("input", { type: "range", min: 0, max: 1, step: "any", value: 1, "aria-label": "Epoch of all", oninput: () => {
      for (const { epochs } of panels) {
        epochs.slider.value = Math.round(all.value * epochs.slider.max);
        epochs.show();
      }
    } });
    panel.replaceChildren(make("div", { class: "head" }, make("h2", {}, "Validation images"),
      make("div", { class: "bar" }, make("label", {}, "All", all), pressed("Play", "Go through the epochs", play))), ...panels.map((each) => each.epochs.element));
  }
  panels.forEach(({ name, epochs }, i) => epochs.set(data.panel.filter(({ rows }) => rows[i] && rows[i][0] === name)
    .map(({ epoch, rows }) => ({ epoch, figures: rows[i][1] }))));
}

let player = 0;
function play(on) {
  clearInterval(player);
  if (on) player = setInterval(() => {
    for (const { epochs } of panels) {
      epochs.slider.value = (+epochs.slider.value + 1) % epochs.epochs.length;
      epochs.show();
    }
  }, 400);
}

function drawLatest() {
  latest.hidden = !data.images.length;
  if (latest.hidden) return;
  if (!training) latest.append(make("h2", {}, "Training images"), (training = new Epochs("Latest batch")).element);
  training.set(data.images.map(({ epoch, rows, stamp }) => ({ epoch, figures: rows[0][1], stamp })));
}

function drawCurves() {
  const measures = (point) => Object.keys(point.numbers).some((key) => key.startsWith("val_"));
  const points = data.points.filter((point) => !measures(point)), x = points.map((point) => point.x);
  const keys = [...new Set(points.flatMap((point) => Object.keys(point.numbers)))];
  const first = Math.min(...OWN.map((key) => keys.indexOf(key)).map((i) => (i < 0 ? keys.length : i)));
  const pick = (names) => Object.fromEntries(names.map((key) => [key, points.map((point) => point.numbers[key] ?? NaN)]));
  const validations = data.points.filter(measures);
  const names = [...new Set(validations.flatMap((point) => Object.keys(point.numbers)))].filter((key) => !OWN.includes(key));
  validation.set(validations.map((point) => point.x),
    Object.fromEntries(names.map((key) => [key, validations.map((point) => point.numbers[key] ?? NaN)])));
  if (validations.length) validation.title.textContent = judged(validations, names);
  curves.hidden = !points.length;
  losses.set(x, pick(keys.slice(0, first)));
  rate.set(x, pick(keys.filter((key) => key === "lr")));
  seconds.set(data.points.map((point) => point.x), keys.includes("time") && keys.includes("data") ? timeSplit() : {});
  others.set(x, pick(keys.slice(first).filter((key) => !OWN.includes(key))));
}

// Which epoch is best, as the training chooses it.
function judged(points, names) {
  const asked = data.begins[data.begins.length - 1].metric ?? "auto";
  const name = `val_${asked !== "auto" ? asked : names.includes("val_l1") ? "l1" : "patches"}`, more = ["val_psnr", "val_ssim"].includes(name);
  const own = points.map(({ x, numbers }) => ({ epoch: Math.round(x), value: numbers[name] })).filter((each) => Number.isFinite(each.value));
  const best = own.reduce((a, b) => ((more ? b.value > a.value : b.value < a.value) ? b : a), own[0]);
  return best ? `Validation: ${name.slice(4)} ${own[own.length - 1].value}, best ${best.value} in epoch ${best.epoch}` : "Validation";
}

// Where the time between two points went, per image: steps, waiting, logging as measured, and the rest of the clock.
function timeSplit() {
  const starts = new Set(data.begins.map((begin) => begin.index)), batch = data.begins[0].batch;
  const split = { compute: [], data: [], logging: [], "saving, rest": [] };
  data.points.forEach(({ time, total, numbers }, i) => {
    const before = data.points[i - 1], waited = numbers.data / batch;
    const images = before && !starts.has(i) && total > before.total ? total - before.total : NaN;
    const logged = (numbers.logging ?? 0) / images;
    split.compute.push(numbers.time);
    split.data.push(waited);
    split.logging.push(logged);
    split["saving, rest"].push(Math.max(0, (time - before?.time) / images - numbers.time - waited - logged));
  });
  return split;
}

function duration(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.round(seconds)} s`;
}

function alive() {
  const gaps = data.points.slice(-20).map((point, i, last) => (i ? point.time - last[i - 1].time : 0));
  return !data.end && Date.now() / 1000 - data.time < Math.max(SILENT, 5 * Math.max(0, ...gaps));
}

function drawStatus() {
  const begin = data.begins[data.begins.length - 1], { points } = data;
  if (!begin) return;
  const now = data.end || (alive() ? "running" : "silent");
  const at = now === "finished" ? begin.epochs : points.length ? points[points.length - 1].x : begin.at;
  const epoch = Math.min(begin.epochs, Math.floor(at) + 1), date = (time) => new Date(time * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  state.className = `state ${now}`;
  state.textContent = now === "silent" ? "no sign of life" : now;
  done.style.width = `${100 * at / begin.epochs}%`;
  const since = points.slice(begin.index).slice(-200), [first, last] = [since[0], since[since.length - 1]];
  const left = since.length > 1 && last.x > first.x ? (last.time - first.time) / (last.x - first.x) * (begin.epochs - at) : NaN;
  const told = {
    running: `Epoch ${epoch} of ${begin.epochs}` + (left >= 0 ? `, ${duration(left)} left, ends ${date(data.time + left)}` : ""),
    finished: `${begin.epochs} epochs, ended ${date(data.time)}`,
    stopped: `In epoch ${epoch} of ${begin.epochs}, ${date(data.time)}. --continue_train goes on from there`,
    silent: `In epoch ${epoch} of ${begin.epochs}. The last sign was ${date(data.time)}; reload to look again`,
  };
  when.textContent = told[now];
}

function drawWarnings() {
  const found = new Map();
  for (const { epoch, message } of data.texts) found.set(message, [...(found.get(message) || []), epoch]);
  warnings.replaceChildren(...[...found].slice(-8).map(([message, epochs]) => make("p", { class: "warning", role: "note" },
    `${message} (epoch ${[...new Set([epochs[0], epochs[epochs.length - 1]])].join(" to ")})`)));
}

function draw() {
  drawStatus();
  drawWarnings();
  drawPanel();
  drawCurves();
  drawLatest();
}

// Loading the script again works from file:// too, where nothing can be fetched.
function again() {
  const before = data, script = make("script", { src: `data.js?${Date.now()}` });
  data = fresh();
  script.onload = script.onerror = () => {
    script.remove();
    if (!data.begins.length) data = before; // it could not be read
    draw();
    if (alive()) setTimeout(again, AGAIN * 1000);
  };
  document.head.append(script);
}

data = fresh();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
addEventListener("load", () => {
  draw();
  if (alive()) setTimeout(again, AGAIN * 1000);
});
