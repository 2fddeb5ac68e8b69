"use strict";
// Enlarges images, and compares one with another image of its row, or of another epoch, by a slider
// between the two. A row of a training has an Epochs object as its property `epochs`.

const SMALL = 128; // images of at most this size are enlarged with sharp pixels

const viewer = {
  figure: null, // the image that is shown, or was last; null: none yet
  other: "", // what it is compared with: a label, "epochs", or "" for nothing
  onchange() {}, // called after each change
};

{
  const EPOCHS = "epochs";
  const stage = make("div", { class: "stage" });
  const base = make("img", { onload: resize }),
    over = make("img", { class: "over", onload: resize });
  const cut = make("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 0.1,
    "aria-label": "Place of the border between both images",
    oninput: () => stage.style.setProperty("--cut", cut.value + "%"),
    onpointerup: () => box.focus(), // then the arrow keys move between images again
  });
  const [left, right] = ["left", "right"].map((side) => make("span", { style: `${side}:.5rem` }));
  const compared = make("div", {}, over, make("i"), cut, left, right);

  const title = make("b"),
    label = make("small");
  const compare = make(
    "button",
    { title: "Compare with another image (c)", onclick: () => toggle() },
    "Compare",
  );
  const partner = make("select", {
    "aria-label": "Compare with",
    onchange: () => show(viewer.figure, partner.value),
  });
  const before = epochSlider("Epoch on the left", () => refresh());
  const now = epochSlider("Epoch", () => epochs().show(+now.slider.value));
  const play = make("button", { title: "Play or pause (space)", onclick: () => player.toggle() });
  const between = make("span", {}, "↔");
  const times = make("div", { class: "bar times" }, play, before.element, between, now.element);
  const box = make(
    "dialog",
    {
      "aria-label": "Enlarged image",
      tabindex: -1,
      onclick: (event) => event.target === box && box.close(),
      onclose: closed,
    },
    make(
      "div",
      { class: "bar" },
      make("span", {}, title, " ", label),
      make(
        "span",
        { class: "bar" },
        compare,
        partner,
        make("button", { title: "Close (Esc)", onclick: () => box.close() }, "Close"),
      ),
    ),
    stage,
    make(
      "div",
      {},
      times,
      make(
        "div",
        { class: "bar" },
        make("button", { title: "Previous image (←)", onclick: () => move(-1) }, "←"),
        make("small", { class: "wide-only" }),
        make("button", { title: "Next image (→)", onclick: () => move(1) }, "→"),
      ),
    ),
  );
  const keysHelp = box.querySelector("small.wide-only");
  document.body.append(box);

  const row = (figure) =>
    [...figure.parentElement.children].filter((element) => element.tagName === "FIGURE");
  const name = (figure) => figure.querySelector("figcaption").firstChild.textContent;
  const named = (text) => row(viewer.figure).find((figure) => name(figure) === text);
  const epochs = () => viewer.figure?.closest(".row").epochs;

  function epochSlider(text, change) {
    const slider = make("input", {
      type: "range",
      min: 0,
      value: 0,
      "aria-label": text,
      oninput: change,
    });
    const output = make("output");
    return { slider, output, element: make("label", {}, slider, output) };
  }

  // The label of the image to compare with first: the real image before an output, or the output
  // after an input. undefined: the row has one image.
  function usual(figure) {
    const all = row(figure),
      i = all.indexOf(figure);
    const real = (other) => name(other).startsWith("real");
    if (all.length < 2) return undefined;
    if ((i === 0 || real(figure)) && i + 1 < all.length) return name(all[i + 1]);
    return name(all.slice(0, i).reverse().find(real) ?? all[0]);
  }

  // What an image can be compared with: value -> text.
  function partners(figure) {
    const first = usual(figure);
    const labels = row(figure)
      .map(name)
      .filter((text) => text !== name(figure));
    const sorted = [
      ...labels.filter((text) => text === first),
      ...labels.filter((text) => text !== first),
    ];
    const truth = figure.dataset.truth;
    const texts = sorted.map((text) => [text, text === truth ? `${text} (true image)` : text]);
    if (epochs()?.epochs.length > 1) texts.push([EPOCHS, "epoch a ↔ b"]);
    return new Map(texts);
  }

  function resize({ target }) {
    stage.style.setProperty("--ratio", target.naturalWidth / target.naturalHeight);
    target.classList.toggle("sharp", Math.max(target.naturalWidth, target.naturalHeight) <= SMALL);
  }

  // Shows an image: `figure`, or the one of before. other: see viewer.
  function show(figure = viewer.figure, other = viewer.other) {
    const [last, choices] = [viewer.figure, partners(figure)];
    if (last && last !== figure && other && other === usual(last)) other = usual(figure);
    if (!choices.has(other)) other = other && ([...choices.keys()][0] ?? "");
    Object.assign(viewer, { figure, other });
    partner.replaceChildren(
      ...[...choices].map(([value, text]) => make("option", { value }, `with ${text}`)),
    );
    partner.value = other;
    partner.hidden = !other || choices.size < 2;
    compare.hidden = !choices.size;
    compare.setAttribute("aria-pressed", Boolean(other));
    cut.value = 50;
    stage.style.setProperty("--cut", "50%");
    title.textContent = figure.closest(".row").querySelector("h2").firstChild.textContent;
    const count = epochs()?.epochs.length ?? 0;
    times.hidden = count < 2;
    for (const { slider } of [before, now]) slider.max = count - 1;
    const more = figure.dataset.truth ? " · t compare with the true image" : "";
    const time = times.hidden ? "" : " · , . epoch · e two epochs · space play";
    keysHelp.textContent = `← → this row · ↑ ↓ other rows · c compare${more}${time} · Esc close`;
    refresh();
  }

  // Shows the same image again after its row, or the epoch on the left, has changed.
  function refresh() {
    if (!box.open) return;
    if (!base.isConnected) stage.append(base, compared); // images without a source are none yet
    if (!viewer.figure.isConnected) return box.close(); // the page no longer has this image
    const { figure, other } = viewer;
    const list = times.hidden ? null : epochs();
    const twice = other === EPOCHS;
    before.element.hidden = between.hidden = !twice;
    now.slider.setAttribute("aria-label", twice ? "Epoch on the right" : "Epoch");
    const picture = (one) => [one.querySelector("img").src, name(one)];
    let pictures = [picture(figure)];
    if (list) {
      now.slider.value = list.slider.value;
      now.output.textContent = list.output.textContent;
      before.output.textContent = `epoch ${list.epochs[+before.slider.value].epoch}`;
      play.textContent = player.on ? "Pause" : "Play";
      pictures[0][1] += `, ${now.output.textContent}`;
    }
    if (twice) {
      const text = `${name(figure)}, ${before.output.textContent}`;
      pictures.unshift([list.source(+before.slider.value, name(figure)), text]);
    } else if (other) {
      const all = row(figure);
      pictures.push(picture(named(other)));
      // an input is on the left of its output
      if (all.indexOf(named(other)) < all.indexOf(figure)) pictures.reverse();
    }
    const texts = pictures.map(([, text]) => text);
    compared.hidden = !other;
    if (other) set(over, ...pictures[0]);
    set(base, ...pictures[pictures.length - 1]);
    [left.textContent, right.textContent] = texts;
    label.textContent = texts.join(" → ");
    viewer.onchange();
  }

  function set(image, source, text) {
    if (image.src !== source) image.src = source;
    image.alt = text;
  }

  // Switches the comparison with `other`, or with the usual image, on or off.
  function toggle(other) {
    const on = other ? viewer.other !== other : !viewer.other;
    show(viewer.figure, on ? (other ?? [...partners(viewer.figure).keys()][0] ?? "") : "");
  }

  function move(step) {
    const all = row(viewer.figure);
    show(all[(all.indexOf(viewer.figure) + step + all.length) % all.length]);
  }

  function otherRow(step) {
    const all = [...document.querySelectorAll(".row")],
      next = all[all.indexOf(viewer.figure.closest(".row")) + step];
    const figure =
      next && [...next.querySelectorAll("figure")].find((one) => name(one) === name(viewer.figure));
    if (!figure) return;
    next.scrollIntoView({ block: "center" });
    show(figure);
  }

  function otherEpoch(step) {
    const list = epochs();
    if (list) list.show(Math.max(0, Math.min(list.epochs.length - 1, +list.slider.value + step)));
  }

  function closed() {
    viewer.figure.querySelector("a")?.focus(); // the image may be another one than at the start
    viewer.onchange();
  }

  Object.assign(viewer, {
    open(figure, other = viewer.other) {
      if (!box.open) box.showModal();
      show(figure, other);
    },
    close: () => box.close(),
    isOpen: () => box.open,
    name,
  });

  document.addEventListener("epoch", refresh);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("figure a:not([download])");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    viewer.open(link.parentElement);
  });
  box.addEventListener("keydown", (event) => {
    const { tagName } = event.target;
    const own = ["INPUT", "SELECT"].includes(tagName); // uses the arrow keys itself
    const arrows = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      ArrowUp: () => otherRow(-1),
      ArrowDown: () => otherRow(1),
    };
    const { truth } = viewer.figure.dataset;
    const keys = {
      ...(own ? {} : arrows),
      c: () => toggle(),
      ",": () => otherEpoch(-1),
      ".": () => otherEpoch(1),
      ...(times.hidden ? {} : { e: () => toggle(EPOCHS) }),
      ...(truth ? { t: () => toggle(truth) } : {}),
      ...(times.hidden || tagName === "BUTTON" ? {} : { " ": () => player.toggle() }),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}
