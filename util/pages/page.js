"use strict";
// Used by both pages: creates elements, and enlarges images, with a slider to compare two of them.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    name.startsWith("on")
      ? element.addEventListener(name.slice(2), value)
      : element.setAttribute(name, value);
  element.append(...children);
  return element;
}

{
  const stage = make("div", { class: "stage" });
  const title = make("b"),
    label = make("small");
  const compare = make(
    "button",
    { title: "Compare input and output with a slider (c)", onclick: toggle },
    "Compare",
  );
  const box = make(
    "dialog",
    { "aria-label": "Enlarged image", onclick: (e) => e.target === box && box.close() },
    make(
      "div",
      { class: "bar" },
      make("span", {}, title, " ", label),
      make(
        "span",
        { class: "bar" },
        compare,
        make("button", { title: "Close (Esc)", onclick: () => box.close() }, "Close"),
      ),
    ),
    stage,
    make(
      "div",
      { class: "bar" },
      make("button", { title: "Previous image (←)", onclick: () => move(-1) }, "←"),
      make(
        "small",
        { class: "wide-only" },
        "← → this row · ↑ ↓ same label in other rows · c compare · Esc close",
      ),
      make("button", { title: "Next image (→)", onclick: () => move(1) }, "→"),
    ),
  );
  let shown = null,
    comparing = false;
  document.body.append(box);

  const row = (figure) =>
    [...figure.parentElement.children].filter((other) => other.tagName === "FIGURE");
  const name = (figure) => figure.querySelector("figcaption").textContent;

  // The [input, output] to compare: an output with the input before it, an input with the output
  // after it; null if there is no other image.
  function pair(figure) {
    const all = row(figure),
      i = all.indexOf(figure);
    if (all.length < 2) return null;
    if ((i === 0 || name(figure).startsWith("real")) && i + 1 < all.length)
      return [figure, all[i + 1]];
    return [
      all
        .slice(0, i)
        .reverse()
        .find((other) => name(other).startsWith("real")) || all[0],
      figure,
    ];
  }

  function picture(figure, kind) {
    const image = make("img", {
      src: figure.querySelector("img").src,
      alt: name(figure),
      class: kind,
    });
    image.onload = () =>
      stage.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
    return image;
  }

  function show(figure) {
    shown = figure;
    const compared = comparing && pair(figure);
    compare.setAttribute("aria-pressed", Boolean(compared));
    compare.hidden = !pair(figure);
    title.textContent = figure.closest(".row").querySelector("h2").firstChild.textContent;
    label.textContent = compared ? compared.map(name).join(" → ") : name(figure);
    if (!compared) return stage.replaceChildren(picture(figure, ""));
    stage.style.setProperty("--cut", "50%");
    const slider = make("input", {
      type: "range",
      min: 0,
      max: 100,
      step: 0.1,
      value: 50,
      "aria-label": "Share of the input",
      oninput: () => stage.style.setProperty("--cut", slider.value + "%"),
    });
    stage.replaceChildren(
      picture(compared[1], ""),
      picture(compared[0], "over"),
      make("i"),
      slider,
      make("span", { style: "left:.5rem" }, name(compared[0])),
      make("span", { style: "right:.5rem" }, name(compared[1])),
    );
  }

  function toggle() {
    comparing = !comparing;
    show(shown);
  }

  function move(step) {
    const all = row(shown);
    show(all[(all.indexOf(shown) + step + all.length) % all.length]);
  }

  function otherRow(step) {
    const all = [...document.querySelectorAll(".row")],
      other = all[all.indexOf(shown.closest(".row")) + step];
    const figure =
      other &&
      [...other.querySelectorAll("figure")].find((candidate) => name(candidate) === name(shown));
    if (!figure) return;
    other.scrollIntoView({ block: "center" });
    show(figure);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("figure a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    box.showModal();
    show(link.parentElement);
  });
  box.addEventListener("keydown", (event) => {
    const keys = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      ArrowUp: () => otherRow(-1),
      ArrowDown: () => otherRow(1),
      c: toggle,
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}
