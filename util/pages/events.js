"use strict";
// What data.js reports about a training, and what can be computed from it.
// tests/pages/test_events.py runs this file in Node.js: nothing here may use the document.

const RELOAD = 20; // seconds between two readings of data.js
const SILENT = 900; // seconds without news after which a run counts as dead

// Numbers with charts of their own; all others are losses, health measurements or validation metrics.
const CHARTED = ["lr", "time", "data", "logging"];

let data = emptyData();

function emptyData() {
  const lists = { begins: [], keys: [], losses: [], points: [], panel: [], images: [], texts: [] };
  // time: Unix time of the last event; stoppedEarly: the epoch in which --early_stop ended the run
  return { ...lists, end: null, stoppedEarly: 0, time: 0 };
}

// Takes in one event; each line of data.js is a call of this function.
function run(kind, ...values) {
  const handlers = {
    begin(start) {
      data.begins.push(start);
      data.end = null;
      data.stoppedEarly = 0;
      data.time = start.time;
    },
    keys(keys, losses = lossesOf(keys)) {
      data.keys = keys;
      data.losses = [...new Set([...data.losses, ...losses])];
    },
    point([epoch, share, total, time, ...values]) {
      // null, or nothing at the end: not measured at this point
      const measured = data.keys.map((key, i) => [key, values[i]]).filter(([, v]) => v != null);
      const part = data.begins.length; // a resumed run has several parts
      const numbers = Object.fromEntries(measured);
      data.points.push({ x: epoch - 1 + share, total, time, numbers, part });
      data.time = time;
    },
    panel(epoch, rows) {
      data.panel.push({ epoch, rows });
    },
    images(epoch, figures, time) {
      data.images = data.images.filter((shown) => shown.epoch < epoch);
      data.images.push({ epoch, figures, stamp: time });
      data.time = time;
    },
    text(epoch, message, time) {
      data.texts.push({ epoch, message, x: place() });
      data.time = time;
    },
    end(state, time, stoppedEarly = 0) {
      data.end = state;
      data.stoppedEarly = stoppedEarly;
      data.time = time;
    },
  };
  handlers[kind](...values);
}

// The losses among names of an older file, which does not name them: all before the learning rate.
function lossesOf(keys) {
  const end = keys.findIndex((key) => CHARTED.includes(key));
  return keys.slice(0, end < 0 ? keys.length : end).filter((key) => !isMetric(key));
}

// Finished epochs, as far as the events so far say.
function place() {
  const [begin, point] = [data.begins, data.points].map((list) => list[list.length - 1]);
  return Math.max(begin?.at ?? 0, point?.x ?? 0);
}

// True unless the run has ended or has been silent for SILENT seconds and five times its usual gap.
function alive() {
  const times = data.points.slice(-20).map((point) => point.time);
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return !data.end && Date.now() / 1000 - data.time < Math.max(SILENT, 5 * Math.max(0, ...gaps));
}

const isMetric = (name) => name.startsWith("val_");

// The names of all numbers, by the chart that shows them, in the order of their first appearance.
function namesByChart() {
  const names = new Set(data.points.flatMap(({ numbers }) => Object.keys(numbers)));
  const others = [...names].filter(
    (name) => !CHARTED.includes(name) && !data.losses.includes(name),
  );
  const health = others.filter((name) => !isMetric(name));
  return {
    losses: data.losses,
    validation: others.filter(isMetric),
    discriminators: health.filter((name) => name.startsWith("accuracy_")),
    generators: health.filter((name) => !name.startsWith("accuracy_")),
  };
}

// The points that have any of the numbers `names`, as series for a chart.
function seriesOf(names, points) {
  const measured = points.filter(({ numbers }) => names.some((name) => name in numbers));
  const values = (name) => measured.map(({ numbers }) => numbers[name] ?? null);
  return {
    x: measured.map(({ x }) => x),
    lines: Object.fromEntries(names.map((name) => [name, values(name)])),
  };
}

// The metric by which the training chooses its best epoch, with its last and best value as
// {epoch, value}; null before the first validation.
function validationResults() {
  const { metric = "auto" } = data.begins[data.begins.length - 1] ?? {};
  const names = namesByChart().validation;
  const chosen = metric !== "auto" ? metric : names.includes("val_l1") ? "l1" : "patches";
  const sign = ["psnr", "ssim"].includes(chosen) ? 1 : -1; // 1: higher is better
  const results = data.points
    .map(({ x, numbers }) => ({ epoch: Math.round(x), value: numbers[`val_${chosen}`] }))
    .filter(({ value }) => Number.isFinite(value));
  if (!results.length) return null;
  const best = results.reduce((a, b) => (sign * b.value > sign * a.value ? b : a));
  return { metric: chosen, best, last: results[results.length - 1] };
}

// What all charts mark: the best epoch, resumes, and warnings.
function marks() {
  const best = validationResults()?.best;
  return [
    ...data.begins.slice(1).map(({ at }) => ({ x: at, kind: "resumed", text: "resumed here" })),
    ...(best ? [{ x: best.epoch, kind: "best", text: `best epoch: ${best.epoch}` }] : []),
    ...data.texts
      .filter(({ message }) => signOf(message))
      .map(({ x, message }) => ({ x, kind: "warning", text: `warning: ${signOf(message)}` })),
  ];
}

// The sign that a warning of models/training/health.py is about, e.g. "loss"; "" for other texts.
function signOf(message) {
  return /\((\w+) -?[\d.]+; docs\/reading_a_run\.md\)$/.exec(message)?.[1] ?? "";
}

// Images per second, all time included, over the last points of the last start; NaN if unknown.
function imagesPerSecond() {
  const recent = data.points.filter(({ part }) => part === data.begins.length).slice(-200);
  const [first, last] = [recent[0], recent[recent.length - 1]];
  if (last && last.total > first.total)
    return (last.total - first.total) / (last.time - first.time);
  return 1 / (last?.numbers.time ?? NaN);
}

// How the time between two points was spent, in seconds per image: steps, waiting for data and
// logging as measured, and the remainder.
function timeSplit(points) {
  const { batch } = data.begins[0];
  const split = { compute: [], data: [], logging: [], "saving, other": [] };
  points.forEach(({ time, total, numbers, part }, i) => {
    const before = points[i - 1];
    const images = before?.part === part && total > before.total ? total - before.total : NaN;
    const waited = numbers.data / batch;
    const logged = (numbers.logging ?? 0) / images;
    const rest = (time - before?.time) / images - numbers.time - waited - logged;
    split.compute.push(numbers.time);
    split.data.push(waited);
    split.logging.push(logged);
    split["saving, other"].push(Math.max(0, rest));
  });
  return split;
}

// Seconds as text, to two units.
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min` : `${Math.round(seconds)} s`;
}
