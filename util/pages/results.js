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
const rows = list
  .querySelector("noscript")
  .textContent.trim()
  .split("\n")
  .filter(Boolean)
  .map((html) => ({ html, name: plain(/<h2>(.*?)<\/h2>/.exec(html)[1]), metrics: {} }));
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
  block.rows.forEach(({ metrics }, i) =>
    block.children[i]
      .querySelector("h2")
      .append(
        ...Object.entries(metrics).map(([name, value]) =>
          make("small", {}, `${name} ${value.toFixed(2)}`),
        ),
      ),
  );
  block.style.height = "";
  height = block.offsetHeight / block.rows.length;
}

function empty(block) {
  block.style.height = `${block.firstChild ? block.offsetHeight : height * block.rows.length}px`;
  block.replaceChildren();
}

const count = make("span", { class: "note" });
const search = make("input", {
  type: "search",
  placeholder: "Search names",
  "aria-label": "Search names",
  oninput: arrange,
});
const order = make(
  "select",
  { "aria-label": "Sort order", onchange: arrange },
  make("option", { value: "" }, "Sort by name"),
);
const start = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--width"));
const size = make("input", {
  type: "range",
  min: 64,
  max: Math.max(512, 2 * start),
  value: start,
  "aria-label": "Image size",
  oninput: () => document.documentElement.style.setProperty("--width", size.value + "px"),
});
list.before(
  make(
    "div",
    { class: "bar sticky" },
    search,
    order,
    make("label", { class: "wide-only" }, "Image size", size),
    count,
  ),
);
arrange();

function arrange() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean),
    sign = order.value[0] === "-" ? -1 : 1;
  const metric = order.value.slice(1),
    matches = rows.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)));
  if (metric)
    matches.sort(
      (a, b) =>
        !(metric in a.metrics) - !(metric in b.metrics) ||
        sign * (a.metrics[metric] - b.metrics[metric]),
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
  scrollTo(0, 0);
  blocks.forEach((block, i) => (i ? empty : fill)(block));
  blocks.forEach((block) => visible.observe(block));
}

// metrics: URL of an image -> name of a metric -> value
function show(metrics) {
  const names = new Set();
  for (const row of rows) {
    for (const [, url, label] of row.html.matchAll(
      /<a href="([^"]*)">.*?<figcaption>(.*?)<\/figcaption>/g,
    ))
      for (const [name, value] of Object.entries(metrics[url] || {}))
        row.metrics[`${plain(label)} ${name}`] = value;
    Object.keys(row.metrics).forEach((name) => names.add(name));
  }
  for (const name of names)
    order.append(
      make("option", { value: "-" + name }, `${name}, highest first`),
      make("option", { value: "+" + name }, `${name}, lowest first`),
    );
  if (names.size) arrange();
}
