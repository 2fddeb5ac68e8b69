"use strict";
// Line charts over epochs, with smoothing, the values under the pointer, a zoom shared by all
// charts, and lines that can be hidden. tests/pages/test_chart.py runs this file in Node.js:
// loading it must not use the document.

const view = { from: null, to: null, smooth: 0.6, log: false, charts: [] };

function redrawAll() {
  for (const chart of view.charts) chart.draw();
}

// Shows the epochs between `from` and `to` in all charts; null: from the first, to the last.
function zoomTo(from, to) {
  Object.assign(view, { from, to });
  redrawAll();
}

// Exponential moving average with bias correction. NaN stays NaN and does not change the average.
function smoothed(values, share) {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
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
  const numbers = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    numbers.push(+(k * step).toPrecision(12));
  return numbers;
}

// Lines of A and B share a colour; those of B are dashed.
function styles(names) {
  const stems = [...new Set(names.map((name) => name.replace(/_B$|_A$/, "")))];
  return names.map((name) => ({
    colour: `--c${stems.indexOf(name.replace(/_B$|_A$/, "")) % 8}`,
    dash: /_B$/.test(name) ? [5, 3] : [],
  }));
}

class Chart {
  // wide: spans both columns; smooth: obeys the smoothing slider; log: obeys the button Log;
  // looks: colour and dash of each name
  constructor(title, { wide = false, smooth = true, log = false, looks = styles } = {}) {
    Object.assign(this, { smooth, log, looks });
    Object.assign(this, { x: [], names: [], values: {}, lines: {}, off: new Set() });
    this.canvas = make("canvas", { role: "img", "aria-label": title });
    this.cross = make("div", { class: "cross", hidden: "" });
    this.tip = make("div", { class: "tip", hidden: "" });
    this.zoom = make("div", { class: "zoom", hidden: "" });
    this.legend = make("div", { class: "legend" });
    this.title = make("h2", {}, title);
    this.element = make(
      "div",
      { class: "chart" + (wide ? " wide" : "") },
      this.title,
      this.canvas,
      this.legend,
      this.zoom,
      this.cross,
      this.tip,
    );
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => {
      this.cross.hidden = this.tip.hidden = true;
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.start = event.pointerType === "mouse" ? event.offsetX : null;
    });
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("dblclick", () => zoomTo(null, null));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    view.charts.push(this);
  }

  // x: finished epochs at each point; values: name -> one number per point
  set(x, values) {
    Object.assign(this, { x, values, names: Object.keys(values) });
    this.element.hidden = !this.names.length || !x.length;
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const scale = devicePixelRatio || 1;
    if (!width || !this.x.length) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    const css = getComputedStyle(document.documentElement);
    context.scale(scale, scale);
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const last = this.x[this.x.length - 1];
    this.from = view.from ?? Math.min(this.x[0], 0);
    this.to = view.to ?? Math.max(last, this.from + 1e-3);
    // stronger for more than 300 points, so that long runs look as smooth as short ones
    const share = 1 - (1 - view.smooth) * Math.min(1, 300 / this.x.length);
    for (const name of this.names)
      this.lines[name] = smoothed(this.values[name], this.smooth ? share : 0);
    this.box = { left: 46, top: 8, width: width - 54, height: height - 30 };
    this.range();
    this.axes(context, css);
    const looks = this.looks(this.names);
    context.save();
    context.beginPath();
    context.rect(this.box.left, this.box.top - 2, this.box.width, this.box.height + 4);
    context.clip();
    this.names.forEach((name, i) => {
      if (this.off.has(name)) return;
      context.strokeStyle = css.getPropertyValue(looks[i].colour);
      if (this.smooth && view.smooth) this.stroke(context, this.values[name], 1, 0.14, []);
      this.stroke(context, this.lines[name], 1.6, 1, looks[i].dash);
    });
    context.restore();
    this.drawLegend(looks);
  }

  // The points to draw: those in the zoom, and one more on each side; [first, end).
  visible() {
    const first = this.x.findIndex((x) => x >= this.from);
    let end = this.x.length;
    while (end > 0 && this.x[end - 1] > this.to) end--;
    return [Math.max(0, first - 1), Math.min(this.x.length, end + 1)];
  }

  // Fits the ends of the vertical axis to the visible part of the lines; logarithms in log mode.
  range() {
    const [first, end] = this.visible();
    let low = Infinity;
    let high = -Infinity;
    for (const name of this.names.filter((candidate) => !this.off.has(candidate)))
      for (const value of this.lines[name].slice(first, end))
        if (Number.isFinite(value) && (!this.logarithmic || value > 0))
          [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (low > high) [low, high] = this.logarithmic ? [0.1, 1] : [0, 1];
    if (this.logarithmic) {
      [low, high] = [Math.log10(low) - 0.05, Math.log10(high) + 0.05];
    } else {
      if (low > 0 && (low < high * 0.6 || low === high)) low = 0;
      const pad = (high - low || Math.abs(high) || 1) * 0.06;
      [low, high] = [low === 0 ? 0 : low - pad, high + pad];
    }
    Object.assign(this, { low, high });
  }

  get logarithmic() {
    return this.log && view.log;
  }

  px(x) {
    return this.box.left + ((x - this.from) / (this.to - this.from)) * this.box.width;
  }

  py(value) {
    const y = this.logarithmic ? Math.log10(value) : value;
    return this.box.top + ((this.high - y) / (this.high - this.low)) * this.box.height;
  }

  axes(context, css) {
    const { left, top, width, height } = this.box;
    context.strokeStyle = css.getPropertyValue("--line");
    context.fillStyle = css.getPropertyValue("--soft");
    context.textAlign = "right";
    context.textBaseline = "middle";
    const steps = this.logarithmic
      ? ticks(this.low, this.high, 4).map((power) => 10 ** power)
      : ticks(this.low, this.high, 5);
    for (const value of steps) {
      const y = Math.round(this.py(value)) + 0.5;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + width, y);
      context.stroke();
      const text = format(this.logarithmic ? +value.toPrecision(2) : value);
      context.fillText(text, left - 6, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const x of ticks(this.from, this.to, Math.max(3, Math.min(10, width / 80)))) {
      context.fillText(
        format(x),
        Math.max(left + 4, Math.min(left + width - 8, this.px(x))),
        top + height + 8,
      );
    }
  }

  // A line with gaps where values are not finite (or not positive on a logarithmic axis).
  stroke(context, values, width, alpha, dash) {
    const [first, end] = this.visible();
    context.globalAlpha = alpha;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.beginPath();
    const fits = (value) => Number.isFinite(value) && (!this.logarithmic || value > 0);
    for (let i = first; i < end; i++) {
      if (!fits(values[i])) continue;
      const x = this.px(this.x[i]);
      const y = this.py(values[i]);
      const open = i > first && fits(values[i - 1]);
      context[open ? "lineTo" : "moveTo"](x, y);
      if (!open && !fits(values[i + 1])) context.lineTo(x + 2, y); // a single value is a short dash
    }
    context.stroke();
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  drawLegend(looks) {
    this.legend.replaceChildren(
      ...this.names.map((name, i) => {
        const { colour, dash } = looks[i];
        const stroke = `stroke="var(${colour})" stroke-width="2.5" stroke-dasharray="${dash}"`;
        const line = `<svg viewBox="0 0 22 8"><path d="M0 4h22" ${stroke}/></svg>`;
        const button = make("button", {
          "aria-pressed": !this.off.has(name),
          title: "Show or hide this line",
          onclick: () => {
            this.off.has(name) ? this.off.delete(name) : this.off.add(name);
            this.draw();
          },
        });
        button.innerHTML = line;
        button.append(`${name} ${format(this.lines[name][this.lines[name].length - 1])}`);
        return button;
      }),
    );
  }

  // The epoch at a horizontal position in the canvas.
  at(pixel) {
    return this.from + ((pixel - this.box.left) / this.box.width) * (this.to - this.from);
  }

  hover(event) {
    if (!this.box) return;
    const epoch = this.at(event.offsetX);
    let i = this.x.findIndex((x) => x >= epoch);
    if (i < 0) i = this.x.length - 1;
    if (i > 0 && epoch - this.x[i - 1] < this.x[i] - epoch) i--;
    const shown = this.names.filter((name) => !this.off.has(name));
    const after = format(this.x[i]);
    this.tip.textContent = [
      `after ${after} epoch${after === "1" ? "" : "s"}`,
      ...shown.map((name) => `${name}  ${format(this.lines[name][i])}`),
    ].join("\n");
    this.cross.hidden = this.tip.hidden = false;
    const { offsetLeft, offsetTop } = this.canvas;
    const x = offsetLeft + this.px(this.x[i]);
    Object.assign(this.cross.style, {
      left: x + "px",
      top: offsetTop + this.box.top + "px",
      height: this.box.height + "px",
    });
    const right = x + 14 + this.tip.offsetWidth > this.element.clientWidth;
    Object.assign(this.tip.style, {
      left: (right ? x - 14 - this.tip.offsetWidth : x + 14) + "px",
      top: offsetTop + 10 + "px",
    });
    const dragging = this.start != null && event.buttons === 1;
    this.zoom.hidden = !dragging;
    if (dragging)
      Object.assign(this.zoom.style, {
        left: offsetLeft + Math.min(this.start, event.offsetX) + "px",
        width: Math.abs(event.offsetX - this.start) + "px",
        top: offsetTop + this.box.top + "px",
        height: this.box.height + "px",
      });
  }

  release(event) {
    const ends = [this.start, event.offsetX];
    this.zoom.hidden = true;
    if (this.start != null && Math.abs(ends[1] - ends[0]) > 8)
      zoomTo(Math.max(0, this.at(Math.min(...ends))), this.at(Math.max(...ends)));
    this.start = null;
  }
}
