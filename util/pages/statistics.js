"use strict";
// Statistics of the metrics on the results page. tests/pages/test_statistics.py runs this file in
// Node.js: nothing here may use the document.

const BINS = 24;

// Count, mean, standard deviation (of a sample; 0 for one value), lowest, highest, and a histogram
// of BINS equal parts of [low, high]; null without finite values.
function statistics(values) {
  const finite = values.filter(Number.isFinite);
  const count = finite.length;
  if (!count) return null;
  const mean = finite.reduce((sum, value) => sum + value, 0) / count;
  const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const std = count > 1 ? Math.sqrt(squares / (count - 1)) : 0;
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  const bins = new Array(BINS).fill(0);
  for (const value of finite)
    bins[Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low || 1)))]++;
  return { count, mean, std, low, high, bins };
}

// 1: higher values of a metric are better; -1: lower ones; 0: unknown. The best known metrics, among
// them all of scripts/evaluate.py.
function betterSign(name) {
  if (/psnr|ssim|palette|accuracy|iou|precision|recall|correlation/i.test(name)) return 1;
  if (/\bl[12]\b|mse|mae|lpips|dists|fid|kid|error|distance|patches|cycle/i.test(name)) return -1;
  return 0;
}

// The sort orders of a metric: [value, text]. "+" sorts from low to high, "-" from high to low.
function ordersOf(name) {
  const better = betterSign(name);
  const words = better ? [", worst first", ", best first"] : [", lowest first", ", highest first"];
  const signs = better < 0 ? "-+" : "+-";
  return words.map((text, i) => [signs[i] + name, name + text]);
}

// A number with as many digits as its deviation makes useful: 21.34 for a deviation of 1.5.
function rounded(value, std) {
  const digits = std > 0 ? 1 - Math.floor(Math.log10(std)) : 2;
  return value.toFixed(Math.max(0, Math.min(6, digits)));
}
