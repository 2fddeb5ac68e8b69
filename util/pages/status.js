"use strict";
// The head of the training page: state, progress, warnings; and the facts about the run.

const state = make("span", { class: "state" }),
  done = make("div"),
  when = make("p", { class: "note" });
const warnings = make("div", { id: "warnings" });
const facts = make("section", { id: "facts", hidden: "" }, make("h2", {}, "Run"), make("dl"));
const statusBar = make(
  "div",
  { id: "status" },
  make("div", { class: "progress" }, done),
  make("p", { class: "bar" }, state, when),
);
const heading = document.title;

function drawStatus() {
  const begin = data.begins[data.begins.length - 1];
  const { points } = data;
  if (!begin) return;
  const now = data.end || (alive() ? "running" : "silent");
  const at = now === "finished" ? begin.epochs : place();
  const epoch = Math.min(begin.epochs, Math.floor(at) + 1);
  const style = { dateStyle: "medium", timeStyle: "short" };
  const date = (time) => new Date(time * 1000).toLocaleString([], style);
  state.className = `state ${now}`;
  state.textContent = now === "silent" ? "no updates" : now;
  const percent = (100 * at) / begin.epochs;
  const total = `${begin.epochs} epoch${begin.epochs === 1 ? "" : "s"}`;
  const early = data.stoppedEarly ? `Stopped early after epoch ${data.stoppedEarly} of ` : "";
  done.style.width = `${percent}%`;
  const sign = { finished: "✓", stopped: "■", silent: "?" }[now] ?? `${Math.floor(percent)} %`;
  document.title = `${sign} ${heading}`;
  const since = points.filter(({ part }) => part === data.begins.length).slice(-200);
  const first = since[0];
  const last = since[since.length - 1];
  const secondsPerEpoch =
    since.length > 1 && last.x > first.x ? (last.time - first.time) / (last.x - first.x) : NaN;
  const left = secondsPerEpoch * (begin.epochs - at);
  const where = `Epoch ${epoch} of ${begin.epochs}`;
  const end = left >= 0 ? `, about ${duration(left)} left (until ${date(data.time + left)})` : "";
  const details = {
    running: where + end,
    finished: `${early}${total}, finished ${date(data.time)}`,
    stopped: `${where}, ${date(data.time)}. Resume with ${begin.resume || "--continue_train"}`,
    silent: `${where}. Last update: ${date(data.time)}; reload the page to check again`,
  };
  when.textContent = details[now];
}

// Facts about the run, which are texts of epoch 0, then warnings. A warning with a sign, e.g.
// "loss", links to the explanation of that sign.
function drawWarnings() {
  const epochsOf = new Map();
  const facts = data.texts.filter(({ epoch }) => !epoch).map(({ message }) => message);
  for (const { epoch, message } of data.texts.filter(({ epoch }) => epoch))
    epochsOf.set(message, [...(epochsOf.get(message) || []), epoch]);
  const signs = new Set();
  warnings.replaceChildren(
    ...[...new Set(facts)].map((fact) => make("p", { class: "note" }, fact)),
    ...[...epochsOf].slice(-8).map(([message, epochs]) => {
      const first = epochs[0],
        last = epochs[epochs.length - 1];
      const when = first === last ? `epoch ${first}` : `epochs ${first} to ${last}`;
      const sign = signOf(message);
      const known = sign && document.getElementById(`why-${sign}`);
      if (known) signs.add(known);
      const link = known ? [" ", make("a", { href: `#why-${sign}` }, "What does this mean?")] : [];
      return make("p", { class: "warning", role: "note" }, `${message} (${when})`, ...link);
    }),
  );
  const explanations = document.getElementById("explanations");
  explanations.hidden = !signs.size;
  for (const part of explanations.querySelectorAll("article")) part.hidden = !signs.has(part);
}

// The facts of the first start; those of the last start where they differ.
function drawFacts() {
  const [begin, again] = [data.begins[0], data.begins[data.begins.length - 1]];
  if (!begin?.facts) return;
  const rows = Object.entries(begin.facts).map(([name, text]) => {
    const now = name === "Command" ? text : (again.facts?.[name] ?? text);
    return [name, now === text ? text : `${text}; since the last resume: ${now}`];
  });
  const speed = imagesPerSecond();
  if (speed > 0) rows.push(["Images per second", format(+speed.toPrecision(3))]);
  if (data.begins.length > 1) rows.push(["Resumes", String(data.begins.length - 1)]);
  facts.hidden = !rows.length;
  facts.lastChild.replaceChildren(
    ...rows.map(([name, text]) => {
      const value = make("dd", {}, name === "Command" ? make("code", {}, text) : text);
      if (name === "Command") value.append(" ", copyButton(value.firstChild));
      return make("div", name === "Command" ? { class: "whole" } : {}, make("dt", {}, name), value);
    }),
  );
}

// Copies the text of an element; where the clipboard is refused, the text is at least selected.
function copyButton(element) {
  const button = make(
    "button",
    {
      title: "Copy the command",
      onclick: async () => {
        getSelection().selectAllChildren(element);
        const copied =
          document.execCommand("copy") ||
          (await navigator.clipboard?.writeText(element.textContent).then(
            () => true,
            () => false,
          ));
        button.textContent = copied ? "Copied" : "Press Ctrl+C";
      },
    },
    "Copy",
  );
  return button;
}
