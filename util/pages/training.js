"use strict";
// Draws the training page from the events in data.js, which is read again while the training runs.

let panels = [],
  training;

const panel = make("section", { id: "panel" }),
  newest = make("section", { id: "latest" });
document.querySelector("h1").after(statusBar);
// The last losses (the curves show them) and the rows are only for browsers without scripts.
document.querySelector("header > .note ~ .note").replaceWith(warnings);
document.querySelector("#rows").replaceChildren(panel, curves, newest, facts);

function drawPanel() {
  panel.hidden = !data.panel.length;
  if (panel.hidden) return;
  const names = data.panel[data.panel.length - 1].rows.map((row) => row[0]);
  if (names.join("\n") !== panels.map((other) => other.name).join("\n")) {
    panels = names.map((name) => ({ name, epochs: new Epochs(name) }));
    const { panel: title = "Validation images" } = data.begins[0];
    panel.replaceChildren(
      make(
        "div",
        { class: "head" },
        make("h2", {}, title),
        make(
          "div",
          { class: "bar" },
          make("label", {}, "All images", player.slider, player.output),
          player.button,
          player.speed,
        ),
      ),
      ...panels.map(({ epochs }) => epochs.element),
    );
  }
  panels.forEach(({ name, epochs }, i) =>
    epochs.set(
      data.panel
        .filter(({ rows }) => rows[i] && rows[i][0] === name)
        .map(({ epoch, rows }) => ({ epoch, figures: rows[i][1] })),
    ),
  );
  player.set(
    panels.map(({ epochs }) => epochs),
    data.panel.map(({ epoch }) => epoch),
  );
}

function drawLatest() {
  newest.hidden = !data.images.length;
  if (newest.hidden) return;
  if (!training)
    newest.append(
      make("h2", {}, "Training images"),
      (training = new Epochs("Latest batch")).element,
    );
  training.set(data.images);
}

function draw() {
  drawStatus();
  drawWarnings();
  drawPanel();
  drawCurves();
  drawLatest();
  drawFacts();
}

// Adds the script again instead of fetching the file: fetch does not work from file://.
function again() {
  const before = data,
    script = make("script", { src: `data.js?${Date.now()}` });
  data = emptyData();
  script.onload = script.onerror = () => {
    script.remove();
    if (!data.begins.length) data = before; // data.js could not be read
    draw();
    if (alive()) setTimeout(again, RELOAD * 1000);
  };
  document.head.append(script);
}

addEventListener("load", () => {
  draw();
  if (alive()) setTimeout(again, RELOAD * 1000);
});
