"use strict";
// Used by both pages: creates elements.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    name.startsWith("on")
      ? element.addEventListener(name.slice(2), value)
      : element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A button that is switched on and off; `change` gets its new state.
function toggleButton(text, title, change) {
  const button = make(
    "button",
    {
      title,
      "aria-pressed": false,
      onclick: () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", on);
        change(on);
      },
    },
    text,
  );
  return button;
}

// Canvases take the light colours for paper, whatever the theme of the screen is.
for (const [event, on] of Object.entries({ beforeprint: true, afterprint: false }))
  addEventListener(event, () => document.documentElement.classList.toggle("paper", on));
