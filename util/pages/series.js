"use strict";
// What charts compute from series of numbers: smoothing, text, ticks and the ends of an axis. In a
// series, null is a place without a measurement; NaN and infinity are measured and leave a gap.
// tests/pages/test_series.py runs this file in Node.js: nothing here may use the document.

const CLIPPED = 0.02; // share of the values at each end of a series that may lie outside its chart

// Exponential moving average with bias correction. Null and gaps do not change the average.
function smoothed(values, share) {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    if (!Number.isFinite(value)) return NaN;
    mean = share * mean + (1 - share) * value;
    weight = share * weight + (1 - share);
    return mean / weight;
  });
}

// Up to four significant digits; a dash for a gap.
function format(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5))
    return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(+value.toPrecision(4));
}

// Round numbers in [low, high]: multiples of 1, 2 or 5 times a power of ten, at most `count` steps.
function ticks(low, high, count) {
  const least = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10]
    .map((factor) => factor * power)
    .find((candidate) => candidate >= least);
  const first = Math.ceil(low / step - 1e-9);
  const numbers = [];
  // bounded by count: where an axis is as short as its rounding errors, first + 1 can be first
  for (let i = 0; i <= count && (first + i) * step <= high + step * 1e-9; i++)
    numbers.push(+((first + i) * step).toPrecision(12));
  return numbers;
}

// Ticks of a logarithmic axis from 10 ** low to 10 ** high: 1, 2 and 5 times the powers of ten; the
// powers alone, or every second, third, ... of them, if those are more than `count`; and round
// numbers if the axis is too short for two of them.
function logTicks(low, high, count) {
  const inside = (numbers) =>
    numbers.filter((n) => Math.log10(n) >= low - 1e-9 && Math.log10(n) <= high + 1e-9);
  const powers = [];
  for (let k = Math.floor(low); k <= Math.ceil(high); k++) powers.push(k);
  const value = (factor, power) => +(factor * 10 ** power).toPrecision(12);
  const fine = inside(powers.flatMap((power) => [1, 2, 5].map((factor) => value(factor, power))));
  if (fine.length < 2) return ticks(10 ** low, 10 ** high, count);
  if (fine.length <= count) return fine;
  const whole = inside(powers.map((power) => value(1, power)));
  const every = Math.ceil(whole.length / count);
  return whole.filter((number) => Math.round(Math.log10(number)) % every === 0);
}

// The ends of an axis that shows the finite numbers `values`: the lowest and the highest. Up to
// CLIPPED of them at an end are left out if they lie so far away that they squash all others.
function limits(values) {
  const sorted = Float64Array.from(values).sort();
  const cut = Math.floor(sorted.length * CLIPPED);
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const [low, high] = [sorted[cut], sorted[sorted.length - 1 - cut]];
  return [low - least > high - low ? low : least, most - high > high - low ? high : most];
}

// The last measurement up to place i; null if there is none.
function latest(values, i) {
  while (i >= 0 && values[i] === null) i--;
  return i < 0 ? null : values[i];
}

// Lines of A and B share a colour; those of B are dashed.
function styles(names) {
  const stems = [...new Set(names.map((name) => name.replace(/_B$|_A$/, "")))];
  return names.map((name) => ({
    colour: `--c${stems.indexOf(name.replace(/_B$|_A$/, "")) % 8}`,
    dash: /_B$/.test(name) ? [5, 3] : [],
  }));
}
