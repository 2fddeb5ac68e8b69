"use strict";
// Plays through the epochs of all validation images at once.

const SPEEDS = [1, 2, 5, 10, 20]; // epochs per second
const HOLD = 1; // seconds at the last epoch, before the first one comes again

const player = {
  on: false,
  rows: [], // Epochs
  timer: 0,
  slider: make("input", {
    type: "range",
    min: 0,
    "aria-label": "Epoch of all images",
    oninput: () => player.show(+player.slider.value),
  }),
  output: make("output"),
  button: make("button", { title: "Play through the epochs", onclick: () => player.toggle() }),
  speed: make(
    "select",
    { "aria-label": "Speed", title: "Speed" },
    ...SPEEDS.map((speed) => make("option", { value: speed }, `${speed} epochs/s`)),
  ),

  // rows: list of Epochs; epochs: sorted numbers of all epochs
  set(rows, epochs) {
    const { slider } = player;
    const follow = !player.epochs || +slider.value === player.epochs.length - 1;
    Object.assign(player, { rows, epochs });
    slider.max = epochs.length - 1;
    slider.disabled = player.button.disabled = epochs.length < 2;
    if (follow) slider.value = epochs.length - 1;
    player.update();
  },

  update() {
    player.output.textContent = `epoch ${player.epochs[+player.slider.value]}`;
    player.button.textContent = player.on ? "Pause" : "Play";
    player.button.setAttribute("aria-pressed", player.on);
    document.dispatchEvent(new Event("epoch"));
  },

  show(place) {
    player.slider.value = place;
    for (const row of player.rows) row.showEpoch(player.epochs[place]);
    player.update();
  },

  toggle() {
    player.on = !player.on;
    clearTimeout(player.timer);
    if (player.on) player.next();
    player.update();
  },

  // Shows the next epoch and sets the timer for the one after it.
  next() {
    const last = player.epochs.length - 1;
    player.show(+player.slider.value < last ? +player.slider.value + 1 : 0);
    const wait = +player.slider.value === last ? HOLD : 1 / +player.speed.value;
    player.timer = setTimeout(player.next, 1000 * wait);
  },
};
player.speed.value = 5;
