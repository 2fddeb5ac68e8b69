"use strict";
// Compares runs: brings their curves onto one axis, and finds the options in which they differ.
// tests/pages/test_index_page.py runs this file in Node.js: nothing here may use the document.

// The value of a line at `x`, linear between its points that are numbers; NaN outside of them.
function valueAt(points, x) {
  let high = points.findIndex(([place]) => place >= x);
  if (high < 0) return NaN;
  const [right, above] = points[high];
  if (right === x) return above;
  if (high === 0) return NaN;
  const [left, below] = points[high - 1];
  return below + ((above - below) * (x - left)) / (right - left);
}

// One quantity of several runs, for a chart.
// curves: one [x, {name: values}] per run, undefined for a run without curves.
// Returns the x of all points, and for each run its values there.
function merged(curves, name) {
  const lines = curves.map((curve) => {
    const values = curve?.[1][name] ?? [];
    return values.map((value, i) => [curve[0][i], value]).filter(([, value]) => value !== null);
  });
  const x = [...new Set(lines.flat().map(([place]) => place))].sort((a, b) => a - b);
  return { x, values: lines.map((points) => x.map((place) => valueAt(points, place))) };
}

// The names of all quantities in `curves`, in their order.
function quantities(curves) {
  return [...new Set(curves.flatMap((curve) => Object.keys(curve?.[1] ?? {})))];
}

// The options whose values differ between the runs with numbers `shown`.
// usual: option -> value that most runs have; runs: for each run, option -> another value.
// Returns [option, value of each run] for each; null is the value of a run without that option.
function differences({ usual, runs }, shown) {
  const value = (i, name) => (name in runs[i] ? runs[i][name] : usual[name]);
  return Object.keys(usual)
    .map((name) => [name, shown.map((i) => value(i, name))])
    .filter(([, values]) => new Set(values).size > 1);
}

// Colour and dash of each of `count` runs: eight colours, then the same with dashes, then dotted.
function runStyles(count) {
  const dashes = [[], [6, 3], [2, 3]];
  return Array.from({ length: count }, (_, i) => ({
    colour: `--c${i % 8}`,
    dash: dashes[Math.floor(i / 8) % 3],
  }));
}
