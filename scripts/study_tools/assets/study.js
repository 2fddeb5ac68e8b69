// The screens of the study, and the way through them.

const BEFORE = 900; // milliseconds before the first image of a pair
const BETWEEN = 600; // and between its images, as on the page of Isola et al.
const AFTER = 100; // before the question

const study = JSON.parse(document.getElementById("study").textContent);
const element = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const participant = (query.get("participant") ?? "").slice(0, 100);
const STORE = `study-${study.study}-${participant}`; // a computer may serve several participants
let session, images, interval;
let answered = () => {}; // what the next answer does

function show(id) {
  for (const screen of document.querySelectorAll("main")) screen.hidden = screen.id !== id;
  scrollTo(0, 0);
  element(id).querySelector("h1[tabindex]")?.focus();
}

function fail(reason) {
  element("reason").textContent = reason;
  show("problem");
}

// Progress is kept in the browser: a reload continues, and does not show a pair a second time.
function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(session));
  } catch {
    // Some browsers keep nothing, e.g. in a private window: a reload then starts again.
  }
}

function saved() {
  try {
    return JSON.parse(localStorage.getItem(STORE));
  } catch {
    return null;
  }
}

// Resolves once an element is clicked.
function clicked(id) {
  return new Promise((resolve) => element(id).addEventListener("click", resolve, { once: true }));
}

async function welcome() {
  const known = saved();
  if (known?.finished) {
    session = known;
    return finish();
  }
  if (known) session = { ...known, reloads: known.reloads + 1 };
  else {
    const groups = Object.keys(study.groups);
    const group = query.get("group") ?? groups[Math.floor(Math.random() * groups.length)];
    if (!groups.includes(group)) return fail("The link is not complete: it names no group of this study.");
    session = newSession(study, group, participant, Math.random);
  }
  if (known) element("start").textContent = "Continue";
  show("welcome");
  const names = [...session.plan.practice, ...session.plan.trials].flat();
  const loading = loadImages(names, (done, all) => {
    element("loading").textContent = done < all ? `Loading images: ${done} of ${all}` : "";
    element("loading").dataset.done = done === all;
    allowStart();
  });
  element("agree").addEventListener("change", allowStart);
  try {
    images = await loading;
  } catch {
    return fail("An image could not be loaded. Please check the connection and load the page again.");
  }
  await clicked("start");
  return run();
}

function allowStart() {
  element("start").disabled = !(element("agree").checked && element("loading").dataset.done === "true");
}

async function run() {
  // The back button stays on the page: it cannot return to a pair.
  history.pushState(null, "");
  addEventListener("popstate", () => history.pushState(null, ""));
  session.started = session.reloads ? session.started : Date.now();
  show("trial");
  interval = await frameInterval();
  const { width } = document.querySelector(".frame").getBoundingClientRect();
  const shape = { width: innerWidth, height: innerHeight, ratio: devicePixelRatio };
  session.screen = { ...shape, image: width, interval };
  save();
  while (partOf(session)) {
    if (partOf(session) === "trials" && session.plan.practice.length && !session.continued) {
      show("between");
      await clicked("continue");
      session.continued = true;
      show("trial");
    }
    await trial(partOf(session));
  }
  session.finished = Date.now();
  save();
  return finish();
}

async function trial(part) {
  const pair = nextPair(session);
  const number = session[part].length + 1;
  const label = part === "practice" ? "Practice" : "Pair";
  element("progress").textContent = `${label} ${number} of ${session.plan[part].length}`;
  element("feedback").textContent = "";
  element("trial").className = "";
  let shown = null;
  let late = 0;
  if (session.begun) {
    element("feedback").textContent =
      "The page was loaded again. Please answer for the pair that you saw before; guess if need be.";
  } else {
    const frames = [...document.querySelectorAll(".frame")];
    await Promise.all(pair.map((name) => images[name].decode()));
    session.begun = true;
    save();
    shown = [];
    for (const [i, frame] of frames.entries()) {
      await pause(i ? BETWEEN : BEFORE);
      const times = await present(frame, images[pair[i]], 1000 * study.seconds, interval);
      shown.push(times.shown);
      late += times.late;
    }
    await pause(AFTER);
  }
  const { answer, response } = await ask();
  addAnswer(session, answer, shown, late, response);
  save();
  if (part === "practice") await feedback(pair, answer);
}

// Resolves to the answer and to the milliseconds that it took.
function ask() {
  const places = ["first", "second"];
  element("trial").className = "asking";
  for (const place of places) element(place).disabled = false;
  element("question").focus();
  const start = performance.now();
  return new Promise((resolve) => {
    answered = (answer) => {
      answered = () => {};
      element("feedback").textContent = "";
      for (const place of places) element(place).disabled = true;
      element("trial").className = "";
      resolve({ answer, response: performance.now() - start });
    };
  });
}

// Shows both images of a practice trial again, with the right answer.
async function feedback(pair, answer) {
  const real = study.groups[session.group].practice.some(([name]) => name === pair[0]) ? 0 : 1;
  const place = ["first", "second"][real];
  for (const [i, frame] of [...document.querySelectorAll(".frame")].entries()) {
    frame.replaceChildren(images[pair[i]]);
    frame.nextElementSibling.textContent = i === real ? "Real" : "Computer-made";
  }
  const verdict = answer === place ? "Right" : "Wrong";
  element("feedback").textContent = `${verdict}: the ${place} image is real.`;
  element("trial").className = "feedback";
  element("next").focus();
  await clicked("next");
  for (const [i, frame] of [...document.querySelectorAll(".frame")].entries()) {
    frame.replaceChildren();
    frame.nextElementSibling.textContent = ["First", "Second"][i];
  }
}

function download() {
  const blob = new Blob([JSON.stringify(resultOf(session))], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `study_${session.study}_${session.session}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// True if the server has confirmed the result.
async function send() {
  if (!study.post) return false;
  try {
    // Plain text, because servers elsewhere would have to allow JSON first.
    const headers = { "Content-Type": "text/plain;charset=UTF-8" };
    const body = JSON.stringify(resultOf(session));
    return (await fetch(study.post, { method: "POST", headers, body })).ok;
  } catch {
    return false;
  }
}

async function finish() {
  show("end");
  element("download").addEventListener("click", download);
  const before = session.sent;
  session.sent = before || (await send());
  save();
  if (session.sent) {
    element("sent").textContent = "Your answers have been sent. You can close this page.";
    return;
  }
  element("sent").textContent =
    "Your answers are in the result file. Please send it to whoever asked you to take part.";
  if (before === undefined) download();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const places = { 1: "first", ArrowLeft: "first", ArrowUp: "first" };
  Object.assign(places, { 2: "second", ArrowRight: "second", ArrowDown: "second" });
  if (!(event.key in places) || !element("trial").classList.contains("asking")) return;
  event.preventDefault();
  answered(places[event.key]);
});
for (const place of ["first", "second"]) {
  element(place).addEventListener("click", () => answered(place));
}
welcome();
