"use strict";
// A session as plain data: its plan, its answers, and what is kept and sent of it.
// tests/pages/test_study_page.py runs this file in Node.js: nothing here may use the document.

const VERSION = 1; // of the result file

// The items of a list in random order; `random` gives numbers from 0 to below 1.
function shuffled(list, random) {
  const items = [...list];
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

// `count` random hexadecimal digits.
function randomName(count, random) {
  return Array.from({ length: count }, () => Math.floor(16 * random()).toString(16)).join("");
}

// A new session of one participant: pairs are drawn, put in random order, and each pair gets a
// random order of its two images.
function newSession(study, group, participant, random) {
  const { practice, scored } = study.groups[group];
  const pairs = (list, count) =>
    shuffled(list, random)
      .slice(0, count)
      .map((pair) => shuffled(pair, random));
  return {
    version: VERSION,
    study: study.study,
    group,
    participant,
    session: randomName(16, random),
    started: Date.now(),
    finished: null,
    reloads: 0,
    screen: null,
    plan: { practice: pairs(practice, study.practice), trials: pairs(scored, study.trials) },
    practice: [],
    trials: [],
    begun: false, // true from the first image of a trial to its answer
    continued: false, // true once the participant has started the scored trials
  };
}

// The part of a session that the next trial belongs to: "practice", "trials", or null at the end.
function partOf(session) {
  return ["practice", "trials"].find((part) => session[part].length < session.plan[part].length);
}

// The names of the two images of the next trial, in the order in which they are shown.
function nextPair(session) {
  const part = partOf(session);
  return session.plan[part][session[part].length];
}

// Adds the answer of a trial: "first" or "second". `shown` holds the milliseconds that each image
// was on screen, or is null if a reload interrupted the trial; `late` counts frames that were missed.
function addAnswer(session, answer, shown, late, response) {
  const [first, second] = nextPair(session);
  session[partOf(session)].push({ first, second, answer, shown, late, response });
  session.begun = false;
}

// The content of the result file.
function resultOf(session) {
  const { plan, begun, continued, sent, ...result } = session;
  return result;
}
