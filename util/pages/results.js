"use strict";
// The results page: search by name, sort by metrics, choose the size of the images. All rows are in
// <noscript>, one line of HTML each; only blocks of rows near the window are in the document.

const BLOCK = 20,
  MARGIN = 1500; // rows in a block; pixels above and below the window

const decoder = document.createElement("textarea");
function plain(html) {
  decoder.innerHTML = html;
  return decoder.value;
} // decodes HTML entities

const list = document.querySelector("#rows");
// metrics: "label name" -> value; images: the same as [label, name, value]
const rows = list
  .querySelector("noscript")
  .textContent.trim()
  .split("\n")
  .filter(Boolean)
  .map((html) => ({
    html,
    name: plain(/<h2>(.*?)<\/h2>/.exec(html)[1]),
    metrics: {},
    images: [],
  }));
let height = 300; // estimate for rows that have not been shown yet

const visible = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? fill(target) : empty(target);
  },
  { rootMargin: `${MARGIN}px 0px` },
);

function fill(block) {
  if (block.firstChild) return;
  block.innerHTML = block.rows.map((row) => row.html).join("");
  block.rows.forEach(({ images }, i) => {
    for (const figure of images.length ? block.children[i].querySelectorAll("figure") : []) {
      const texts = images
        .filter(([label]) => label === viewer.name(figure))
        .map(([, name, value]) => make("small", {}, `${name} ${short(value)}`));
      figure.querySelector("figcaption").append(...texts);
    }
  });
  block.style.height = "";
  height = block.offsetHeight / block.rows.length;
}

function empty(block) {
  block.style.height = `${block.firstChild ? block.offsetHeight : height * block.rows.length}px`;
  block.replaceChildren();
}

// At most four digits; a dash for what is no number.
function short(value) {
  return Number.isFinite(value) ? String(+value.toPrecision(4)) : "–";
}

const count = make("span", { class: "note", role: "status" });
const search = make("input", {
  type: "search",
  placeholder: "Search names",
  title: "Search names (/)",
  "aria-label": "Search names",
  oninput: rearrange,
});
const order = make(
  "select",
  { "aria-label": "Sort order", onchange: rearrange },
  make("option", { value: "" }, "Sort by name"),
);
const start = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--width"));
const size = make("input", {
  type: "range",
  min: 64,
  max: Math.max(512, 2 * start),
  value: start,
  "aria-label": "Image size",
  oninput: () => {
    resize(size.value);
    remember();
  },
});
const nothing = make(
  "p",
  { class: "nothing" },
  make("span"),
  make("button", { onclick: () => find("") }, "Clear the search"),
);
const bar = make(
  "div",
  { class: "bar sticky" },
  search,
  order,
  make("label", { class: "wide-only" }, "Image size", size),
  count,
);
list.before(summary, bar);

function resize(width) {
  document.documentElement.style.setProperty("--width", width + "px");
}

function find(text) {
  search.value = text;
  search.focus();
  rearrange();
}

// Arranges the rows anew, and brings the first one to the bar if it was above it or far below.
function rearrange() {
  arrange();
  const { top } = list.getBoundingClientRect();
  if (top < bar.offsetHeight || top > 0.8 * innerHeight) scrollBy(0, top - bar.offsetHeight);
}

// Shows the rows that match the search, in the chosen order.
function arrange() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean),
    sign = order.value[0] === "-" ? -1 : 1;
  const metric = order.value.slice(1),
    matches = rows.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)));
  const known = ({ metrics }) => Number.isFinite(metrics[metric]);
  if (metric)
    matches.sort(
      (a, b) => known(b) - known(a) || sign * (a.metrics[metric] - b.metrics[metric]) || 0,
    );
  count.textContent =
    matches.length === rows.length
      ? `${matches.length} images`
      : `${matches.length} of ${rows.length} images`;
  visible.disconnect();
  const blocks = [];
  for (let i = 0; i < matches.length; i += BLOCK)
    blocks.push(Object.assign(make("div"), { rows: matches.slice(i, i + BLOCK) }));
  list.replaceChildren(...blocks);
  if (!matches.length && rows.length) {
    nothing.firstChild.textContent = `No match: no name contains “${search.value.trim()}”. `;
    list.append(nothing);
  }
  blocks.forEach((block, i) => (i ? empty : fill)(block));
  blocks.forEach((block) => visible.observe(block));
  remember();
}

// metrics: URL of an image -> name of a metric -> value
function show(metrics) {
  const values = new Map();
  for (const row of rows) {
    for (const [, url, label] of row.html.matchAll(
      /<a href="([^"]*)">.*?<figcaption>(.*?)<\/figcaption>/g,
    ))
      for (const [name, value] of Object.entries(metrics[url] || {}))
        row.images.push([plain(label), name, value]);
    for (const [label, name, value] of row.images) {
      const metric = `${label} ${name}`;
      row.metrics[metric] = value;
      if (!values.has(metric)) values.set(metric, []);
      values.get(metric).push(value);
    }
  }
  for (const name of values.keys())
    order.append(...ordersOf(name).map(([value, text]) => make("option", { value }, text)));
  drawSummary(values, rows.length, (name) => {
    const [first, second] = ordersOf(name).map(([value]) => value);
    order.value = order.value === first ? second : first; // a second click reverses the order
    rearrange();
  });
}

function remember() {
  const { figure, other } = viewer;
  const isOpen = viewer.isOpen() && figure.isConnected;
  writeAddress({
    search: search.value.trim(),
    sort: order.value,
    size: +size.value === start ? "" : size.value,
    row: isOpen ? figure.closest(".row").querySelector("h2").textContent : "",
    label: isOpen ? viewer.name(figure) : "",
    with: isOpen ? other : "",
  });
}

// Shows what the address says.
function restore() {
  const wanted = stateOfAddress();
  search.value = wanted.search;
  order.value = wanted.sort;
  if (order.selectedIndex < 0) order.value = ""; // a metric that this page does not have
  size.value = +wanted.size || start;
  resize(size.value);
  arrange();
  if (!wanted.row) return viewer.close();
  const block = [...list.children].find((one) => one.rows?.some(({ name }) => name === wanted.row));
  if (!block) return;
  fill(block);
  const element = block.children[block.rows.findIndex(({ name }) => name === wanted.row)];
  const figures = [...element.querySelectorAll("figure")];
  element.scrollIntoView({ block: "center" });
  viewer.open(figures.find((one) => viewer.name(one) === wanted.label) ?? figures[0], wanted.with);
}

viewer.onchange = remember;
onAddress(restore);
addEventListener("load", restore); // metrics.js has called show()
addEventListener("beforeprint", () => [...list.children].forEach((one) => one.rows && fill(one)));
addEventListener("keydown", (event) => {
  if (event.key !== "/" || viewer.isOpen() || event.target.matches("input, select")) return;
  event.preventDefault();
  search.focus();
});
