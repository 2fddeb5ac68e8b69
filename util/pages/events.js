"use strict";
// What data.js reports about a training, and what can be computed from it.
// tests/pages/test_events.py runs this file in Node.js: nothing here may use the document.

const RELOAD = 20; // seconds between two readings of data.js
const SILENT = 900; // seconds without news after which a run counts as dead

let data = emptyData();

function emptyData() {
  const lists = { begins: [], keys: [], points: [], panel: [], images: [], texts: [] };
  return { ...lists, end: null, time: 0 }; // time: Unix time of the last event
}

// Takes in one event; each line of data.js is a call of this function.
function run(kind, ...values) {
  const handlers = {
    begin(start) {
      data.begins.push(start);
      data.end = null;
      data.time = start.time;
    },
    keys(keys) {
      data.keys = keys;
    },
    point([epoch, share, total, time, ...values]) {
      const numbers = Object.fromEntries(data.keys.map((key, i) => [key, values[i]]));
      const part = data.begins.length; // a resumed run has several parts
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
      data.texts.push({ epoch, message });
      data.time = time;
    },
    end(state, time) {
      data.end = state;
      data.time = time;
    },
  };
  handlers[kind](...values);
}

// True unless the run has ended or has been silent for SILENT seconds and five times its usual gap.
function alive() {
  const times = data.points.slice(-20).map((point) => point.time);
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return !data.end && Date.now() / 1000 - data.time < Math.max(SILENT, 5 * Math.max(0, ...gaps));
}

// The title of the validation chart: the best epoch by the metric that the training uses.
function validationTitle(points, names) {
  const { metric = "auto" } = data.begins[data.begins.length - 1];
  const chosen = metric !== "auto" ? metric : names.includes("val_l1") ? "l1" : "patches";
  const sign = ["psnr", "ssim"].includes(chosen) ? 1 : -1; // 1: higher is better
  const results = points
    .map(({ x, numbers }) => ({ epoch: Math.round(x), value: numbers[`val_${chosen}`] }))
    .filter(({ value }) => Number.isFinite(value));
  if (!results.length) return "Validation";
  const best = results.reduce((a, b) => (sign * b.value > sign * a.value ? b : a));
  const last = results[results.length - 1];
  return `Validation: ${chosen} ${last.value}, best ${best.value} in epoch ${best.epoch}`;
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
