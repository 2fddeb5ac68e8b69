"use strict";
// Line charts over epochs, with smoothing, marks, the values under a pointer, a finger or the arrow
// keys, a zoom shared by all charts, and lines that can be hidden. series.js comes first.
// tests/pages/test_chart.py runs this file in Node.js: loading it must not use the document.

// marks: [{x, kind, text}], see marks() in events.js
const view = { from: null, to: null, smooth: 0.6, log: false, charts: [], marks: [] };
const FEW = 40; // a line with at most as many values has a dot at each
const NARROWEST = 1e-3; // epochs that a chart shows at least

function redrawAll() {
  for (const chart of view.charts) chart.draw();
}

// Shows the epochs between `from` and `to` in all charts; null: from the first, to the last.
function zoomTo(from, to) {
  if (from !== null && to - from < NARROWEST) return;
  Object.assign(view, { from, to });
  redrawAll();
}

class Chart {
  // smooth: obeys the smoothing slider; log: obeys the button Log; steps: a value holds from the
  // one before it; lowest, highest: the axis shows at least what is between them; looks: gives
  // colour and dash of each name
  constructor(
    title,
    { smooth = true, log = false, steps = false, lowest, highest, looks = styles } = {},
  ) {
    Object.assign(this, { smooth, log, steps, lowest, highest, looks });
    Object.assign(this, { x: [], names: [], values: {}, lines: {}, off: new Set() });
    this.canvas = make("canvas", {
      role: "img",
      tabindex: 0,
      "aria-label": `${title}. Arrow keys move through the values, + and - zoom.`,
    });
    this.cross = make("div", { class: "cross", hidden: "" });
    this.tip = make("div", { class: "tip", hidden: "", role: "status" });
    this.zoom = make("div", { class: "zoom", hidden: "" });
    this.legend = make("div", { class: "legend" });
    this.title = make("h2", {}, title);
    const parts = [this.title, this.canvas, this.legend, this.zoom, this.cross, this.tip];
    this.element = make("div", { class: "chart" }, ...parts);
    listenTo(this);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    view.charts.push(this);
  }

  // x: finished epochs at each point; values: name -> one number or null per point
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
    this.to = view.to ?? Math.max(last, this.from + NARROWEST);
    for (const name of this.names)
      this.lines[name] = smoothed(this.values[name], this.share(this.values[name]));
    this.box = { left: 46, top: 8, width: width - 54, height: height - 30 };
    this.range();
    this.axes(context, css);
    const looks = this.looks(this.names);
    context.save();
    context.beginPath();
    context.rect(this.box.left, this.box.top - 3, this.box.width + 3, this.box.height + 6);
    context.clip();
    this.drawMarks(context, css);
    this.names.forEach((name, i) => {
      if (this.off.has(name)) return;
      context.strokeStyle = context.fillStyle = css.getPropertyValue(looks[i].colour);
      if (this.smooth && view.smooth) this.stroke(context, this.values[name], 1, 0.14, []);
      this.stroke(context, this.lines[name], 1.6, 1, looks[i].dash);
      this.dots(context, this.lines[name]);
    });
    context.restore();
    this.drawLegend(looks);
  }

  // The share of the old average in a new one; more for over 300 values, so that long runs look as
  // smooth as short ones.
  share(values) {
    const count = values.reduce((sum, value) => sum + (value !== null), 0);
    return this.smooth ? 1 - (1 - view.smooth) * Math.min(1, 300 / count) : 0;
  }

  // The places of a line to draw: those in the zoom, and one more value on each side; [first, end).
  visible(values) {
    const first = this.x.findIndex((x) => x >= this.from);
    let end = this.x.length;
    while (end > 0 && this.x[end - 1] > this.to) end--;
    let before = (first < 0 ? this.x.length : first) - 1;
    while (before > 0 && values[before] === null) before--;
    while (end < values.length && values[end] === null) end++;
    return [Math.max(0, before), Math.min(this.x.length, end + 1)];
  }

  // True if the chart can show a value: finite, and positive on a logarithmic axis.
  fits(value) {
    return value !== null && Number.isFinite(value) && (!this.logarithmic || value > 0);
  }

  // Fits the ends of the vertical axis to the visible part of the lines; logarithms in log mode.
  range() {
    let low = Infinity;
    let high = -Infinity;
    for (const name of this.names.filter((candidate) => !this.off.has(candidate))) {
      const values = this.lines[name];
      const shown = values.slice(...this.visible(values)).filter((value) => this.fits(value));
      if (!shown.length) continue;
      const [least, most] = limits(this.logarithmic ? shown.map(Math.log10) : shown);
      [low, high] = [Math.min(low, least), Math.max(high, most)];
    }
    if (low > high) [low, high] = this.logarithmic ? [-1, 0] : [0, 1];
    if (this.logarithmic) {
      [low, high] = [low - 0.05, high + 0.05];
    } else {
      if (high - low < 1e-9 * Math.abs(high)) low = high; // equal but for rounding errors
      if (low > 0 && (low < high * 0.6 || low === high)) low = 0;
      [low, high] = [Math.min(low, this.lowest ?? low), Math.max(high, this.highest ?? high)];
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

  // The epoch at a horizontal position in the canvas.
  at(pixel) {
    return this.from + ((pixel - this.box.left) / this.box.width) * (this.to - this.from);
  }

  axes(context, css) {
    const { left, top, width, height } = this.box;
    context.strokeStyle = css.getPropertyValue("--line");
    context.fillStyle = css.getPropertyValue("--soft");
    context.textAlign = "right";
    context.textBaseline = "middle";
    const count = Math.max(3, Math.round(height / 45));
    for (const value of (this.logarithmic ? logTicks : ticks)(this.low, this.high, count)) {
      const y = Math.round(this.py(value)) + 0.5;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + width, y);
      context.stroke();
      context.fillText(format(value), left - 6, y);
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

  // A line with gaps at values that do not fit. Places without a measurement are no gaps.
  stroke(context, values, width, alpha, dash) {
    const [first, end] = this.visible(values);
    context.globalAlpha = alpha;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.beginPath();
    let before = -1; // the value to draw on from
    for (let i = first; i < end; i++) {
      if (values[i] === null) continue;
      if (!this.fits(values[i])) {
        before = -1;
        continue;
      }
      const x = this.px(this.x[i]);
      const y = this.py(values[i]);
      if (this.steps) {
        // the first value holds from the start of its epoch
        const start = before < 0 ? Math.ceil(this.x[i] - 1e-9) - 1 : this.x[before];
        context[before < 0 ? "moveTo" : "lineTo"](this.px(Math.max(0, start)), y);
        context.lineTo(x, y);
      } else context[before < 0 ? "moveTo" : "lineTo"](x, y);
      before = i;
    }
    context.stroke();
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  // Dots: at each value of a line that has few, and at a value between two gaps, where no line is.
  // Triangles at the edge: for values outside the axis.
  dots(context, values) {
    const [first, end] = this.visible(values);
    const places = [];
    for (let i = first; i < end; i++) if (values[i] !== null) places.push(i);
    const few = places.length <= FEW && !this.steps;
    const { top, height } = this.box;
    let edge = -9; // the last triangle; one every few pixels is enough
    places.forEach((place, k) => {
      if (!this.fits(values[place])) return;
      const [x, y] = [this.px(this.x[place]), this.py(values[place])];
      const joined = [places[k - 1], places[k + 1]].some((i) => i != null && this.fits(values[i]));
      const outside = y < top - 1 ? -1 : y > top + height + 1 ? 1 : 0;
      if (outside ? x - edge < 6 : !few && (joined || this.steps)) return;
      context.beginPath();
      if (outside) {
        const tip = outside < 0 ? top : top + height;
        context.moveTo((edge = x), tip);
        context.lineTo(x - 4, tip - 6 * outside);
        context.lineTo(x + 4, tip - 6 * outside);
      } else context.arc(x, y, 2.3, 0, 7);
      context.fill();
    });
  }

  // Vertical lines at the best epoch and at resumes; a triangle on the axis for a warning.
  drawMarks(context, css) {
    const { top, height } = this.box;
    for (const { x, kind } of view.marks) {
      const at = Math.round(this.px(x)) + 0.5;
      context.strokeStyle = context.fillStyle = css.getPropertyValue(`--${kind}`);
      context.setLineDash(kind === "resumed" ? [2, 3] : kind === "best" ? [6, 3] : []);
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(at, kind === "warning" ? top + height - 9 : top);
      context.lineTo(kind === "warning" ? at - 5 : at, top + height);
      if (kind === "warning") context.lineTo(at + 5, top + height);
      kind === "warning" ? context.fill() : context.stroke();
    }
    context.setLineDash([]);
  }

  drawLegend(looks) {
    if (this.names.join("\n") !== this.listed) this.buildLegend(looks);
    this.names.forEach((name, i) => {
      const button = this.legend.children[i];
      const line = this.lines[name];
      button.setAttribute("aria-pressed", !this.off.has(name));
      button.lastChild.textContent = `${name} ${format(latest(line, line.length - 1) ?? NaN)}`;
    });
  }

  buildLegend(looks) {
    this.listed = this.names.join("\n");
    this.legend.replaceChildren(
      ...this.names.map((name, i) => {
        const { colour, dash } = looks[i];
        const stroke = `stroke="var(${colour})" stroke-width="2.5" stroke-dasharray="${dash}"`;
        const button = make("button", {
          title: "Show or hide this line",
          onclick: () => {
            this.off.has(name) ? this.off.delete(name) : this.off.add(name);
            this.draw();
          },
        });
        button.innerHTML = `<svg viewBox="0 0 22 8"><path d="M0 4h22" ${stroke}/></svg>`;
        button.append(name);
        return button;
      }),
    );
  }
}
