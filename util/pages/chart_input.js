"use strict";
// Shows the values of a chart under the mouse, a finger, or a cursor that the arrow keys move, and
// zooms; the controls of all charts of a page. See chart.js.

const NEAR = 5; // pixels from a mark within which its text is shown, too

// Shows the values at the point i of `chart`.
function showValues(chart, i) {
  const { canvas, cross, tip, element, box } = chart;
  chart.cursor = i;
  const after = format(chart.x[i]);
  const at = chart.px(chart.x[i]);
  tip.textContent = [
    `after ${after} epoch${after === "1" ? "" : "s"}`,
    ...chart.names
      .filter((name) => !chart.off.has(name) && latest(chart.lines[name], i) !== null)
      .map((name) => `${name}  ${format(latest(chart.lines[name], i))}`),
    ...view.marks.filter(({ x }) => Math.abs(chart.px(x) - at) <= NEAR).map(({ text }) => text),
  ].join("\n");
  cross.hidden = tip.hidden = false;
  const { offsetLeft, offsetTop } = canvas;
  const x = offsetLeft + at;
  Object.assign(cross.style, {
    left: x + "px",
    top: offsetTop + box.top + "px",
    height: box.height + "px",
  });
  const width = tip.offsetWidth;
  const right = x + 14 + width > element.clientWidth;
  const left = Math.min(right ? x - 14 - width : x + 14, element.clientWidth - width - 4);
  Object.assign(tip.style, { left: Math.max(4, left) + "px", top: offsetTop + 10 + "px" });
}

function hideValues(chart) {
  chart.cross.hidden = chart.tip.hidden = true;
}

// The point of `chart` that is nearest to a horizontal position in its canvas.
function pointAt(chart, pixel) {
  const epoch = chart.at(pixel);
  let i = chart.x.findIndex((x) => x >= epoch);
  if (i < 0) i = chart.x.length - 1;
  return i > 0 && epoch - chart.x[i - 1] < chart.x[i] - epoch ? i - 1 : i;
}

// The next point to the right (step 1) or left (-1) that is at least `distance` pixels away, else
// the last or first one in the zoom.
function pointBeside(chart, step, distance) {
  const { x, from, to } = chart;
  const inside = (i) => x[i] >= from && x[i] <= to;
  let i = chart.cursor;
  if (!(i < x.length) || !inside(i)) return pointAt(chart, chart.px(step > 0 ? from : to));
  const start = chart.px(x[i]);
  while (inside(i + step) && step * (chart.px(x[i]) - start) < distance) i += step;
  return i;
}

// Zooms by a factor around the cursor, or around the middle.
function zoomBy(chart, factor) {
  const { from, to } = chart;
  const middle = chart.tip.hidden ? (from + to) / 2 : chart.x[chart.cursor];
  const low = middle - (middle - from) * factor;
  const high = middle + (to - middle) * factor;
  const all = low <= 0 && high >= chart.x[chart.x.length - 1];
  all ? zoomTo(null, null) : zoomTo(Math.max(0, low), high);
}

function drag(chart, event) {
  const { canvas, zoom, box, start } = chart;
  const dragging = start != null && event.buttons === 1;
  zoom.hidden = !dragging;
  if (dragging)
    Object.assign(zoom.style, {
      left: canvas.offsetLeft + Math.min(start, event.offsetX) + "px",
      width: Math.abs(event.offsetX - start) + "px",
      top: canvas.offsetTop + box.top + "px",
      height: box.height + "px",
    });
}

function release(chart, event) {
  const ends = [chart.start, event.offsetX];
  chart.zoom.hidden = true;
  if (chart.start != null && Math.abs(ends[1] - ends[0]) > 8)
    zoomTo(Math.max(0, chart.at(Math.min(...ends))), chart.at(Math.max(...ends)));
  chart.start = null;
}

function pressed(chart, event) {
  const move = (step) => showValues(chart, pointBeside(chart, step, event.shiftKey ? 50 : 5));
  const keys = {
    ArrowLeft: () => move(-1),
    ArrowRight: () => move(1),
    Home: () => showValues(chart, pointAt(chart, chart.px(chart.from))),
    End: () => showValues(chart, pointAt(chart, chart.px(chart.to))),
    "+": () => zoomBy(chart, 0.5),
    "-": () => zoomBy(chart, 2),
    Escape: () => hideValues(chart),
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
}

function listenTo(chart) {
  const { canvas } = chart;
  const hover = (event) => chart.box && showValues(chart, pointAt(chart, event.offsetX));
  canvas.addEventListener("pointermove", (event) => {
    hover(event);
    drag(chart, event);
  });
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hideValues(chart); // a finger's values stay
  });
  canvas.addEventListener("pointerdown", (event) => {
    chart.start = event.pointerType === "mouse" ? event.offsetX : null;
    hover(event);
  });
  canvas.addEventListener("pointerup", (event) => release(chart, event));
  canvas.addEventListener("dblclick", () => zoomTo(null, null));
  canvas.addEventListener("keydown", (event) => pressed(chart, event));
  canvas.addEventListener("blur", () => hideValues(chart));
  document.addEventListener("pointerdown", (event) => {
    if (event.target !== canvas) hideValues(chart);
  });
}

// The controls of all charts: smoothing, a logarithmic axis, and the end of a zoom.
function chartControls() {
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
  const log = toggleButton("Log", "Logarithmic axis for the losses", (on) => {
    view.log = on;
    redrawAll();
  });
  const reset = make(
    "button",
    { title: "Drag across a chart to zoom in", onclick: () => zoomTo(null, null) },
    "Reset zoom",
  );
  return make("div", { class: "bar" }, make("label", {}, "Smoothing", smooth), log, reset);
}
