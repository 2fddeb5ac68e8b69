"use strict";
// The results page: search by name, sort by metric, size of the images. metrics.js calls show(metrics).
// The rows stand in <noscript>, a line of HTML each. Only blocks of them near the window are in the document.

const BLOCK = 20, BEYOND = 1500; // rows; pixels above and below the window

const words = document.createElement("textarea");
function plain(html) { words.innerHTML = html; return words.value; }

const list = document.querySelector("#rows");
const rows = list.querySelector("noscript").textContent.trim().split("\n").filter(Boolean)
  .map((html) => ({ html, name: plain(/<h2>(.*?)<\/h2>/.exec(html)[1]), metrics: {} }));
let height = 300; // of a row, as long as it has not been seen

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) isIntersecting ? fill(target) : empty(target);
}, { rootMargin: `${BEYOND}px 0px` });

function fill(block) {
  if (block.firstChild) return;
  block.innerHTML = block.rows.map((row) => row.html).join("");
  block.rows.forEach(({ metrics }, i) => block.children[i].querySelector("h2").append(
    ...Object.entries(metrics).map(([name, value]) => make("small", {}, `${name} ${value.toFixed(2)}`))));
  block.style.height = "";
  height = block.offsetHeight / block.rows.length;
}

function empty(block) {
  block.style.height = `${block.firstChild ? block.offsetHeight : height * block.rows.length}px`;
  block.replaceChildren();
}

const count = make("span", { class: "note" });
const search = make("input", { type: "search", placeholder: "Search names", "aria-label": "Search names", oninput: arrange });
const order = make("select", { "aria-label": "Order", onchange: arrange }, make("option", { value: "" }, "By name"));
const start = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--width"));
const size = make("input", { type: "range", min: 64, max: Math.max(512, 2 * start), value: start, "aria-label": "Size of images",
  oninput: () => document.documentElement.style.setProperty("--width", size.value + "px") });
list.before(make("div", { class: "bar sticky" }, search, order, make("label", { class: "wide-only" }, "Size", size), count));
arrange();

function arrange() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean), sign = order.value[0] === "-" ? -1 : 1;
  const metric = order.value.slice(1), found = rows.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)));
  if (metric) found.sort((a, b) => !(metric in a.metrics) - !(metric in b.metrics) || sign * (a.metrics[metric] - b.metrics[metric]));
  count.textContent = found.length === rows.length ? `${found.length} images` : `${found.length} of ${rows.length} images`;
  seen.disconnect();
  const blocks = [];
  for (let i = 0; i < found.length; i += BLOCK) blocks.push(Object.assign(make("div"), { rows: found.slice(i, i + BLOCK) }));
  list.replaceChildren(...blocks);
  scrollTo(0, 0);
  blocks.forEach((block, i) => (i ? empty : fill)(block));
  blocks.forEach((block) => seen.observe(block));
}

// metrics: URL of an image -> name of a metric -> value
function show(metrics) {
  const names = new Set();
  for (const row of rows) {
    for (const [, url, label] of row.html.matchAll(/<a href="([^"]*)">.*?<figcaption>(.*?)<\/figcaption>/g))
      for (const [name, value] of Object.entries(metrics[url] || {})) row.metrics[`${plain(label)} ${name}`] = value;
    Object.keys(row.metrics).forEach((name) => names.add(name));
  }
  for (const name of names)
    order.append(make("option", { value: "-" + name }, `${name}, high first`), make("option", { value: "+" + name }, `${name}, low first`));
  if (names.size) arrange();
}
