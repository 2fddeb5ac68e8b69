"use strict";

// A row of images with a slider for the epoch. It follows the newest epoch until it is moved.
// Whenever it shows other images, the document gets the event "epoch".
class Epochs {
  constructor(name) {
    this.slider = make("input", {
      type: "range",
      min: 0,
      "aria-label": `Epoch of ${name}`,
      oninput: () => this.show(),
    });
    this.output = make("output");
    this.grid = make("div", { class: "images" });
    this.element = make(
      "section",
      { class: "row" },
      make(
        "div",
        { class: "slide" },
        make("h2", {}, name),
        make("span", {}, this.slider, this.output),
      ),
      this.grid,
    );
    this.element.epochs = this; // for the viewer
    this.epochs = [];
  }

  // epochs: list of {epoch, figures: [[label, url, width, height], ...], stamp}
  set(epochs) {
    const follow = !this.epochs.length || +this.slider.value === this.epochs.length - 1;
    this.epochs = epochs;
    this.slider.max = epochs.length - 1;
    this.slider.disabled = epochs.length < 2;
    this.show(follow ? epochs.length - 1 : +this.slider.value);
  }

  // Shows the last images up to an epoch, else the first.
  showEpoch(epoch) {
    this.show(Math.max(0, this.epochs.filter((entry) => entry.epoch <= epoch).length - 1));
  }

  show(index = +this.slider.value) {
    this.slider.value = index;
    const { epoch, figures, stamp } = this.epochs[index];
    this.output.textContent = `epoch ${epoch}`;
    if (figures.map(([label]) => label).join() !== this.labels) this.build(figures);
    figures.forEach(([, url, width, height], i) => {
      const [link, image] = this.cells[i];
      const source = addressOf(url, stamp);
      if (image.getAttribute("src") === source) return;
      Object.assign(image, { src: source, width, height });
      image.className = Math.max(width, height) <= SMALL ? "sharp" : "";
      image.style.setProperty("--pixels", `${width}px`);
      link.href = url;
    });
    // load the images of the neighbouring epochs, so that the slider moves smoothly
    for (const step of [-1, 1]) {
      const near = this.epochs[index + step];
      for (const [, url] of near?.figures ?? []) new Image().src = addressOf(url, near.stamp);
    }
    document.dispatchEvent(new Event("epoch"));
  }

  // The absolute URL of the image with a label at a place of the slider; "" if there is none.
  source(index, label) {
    const { figures, stamp } = this.epochs[index];
    const figure = figures.find(([other]) => other === label);
    return figure ? new URL(addressOf(figure[1], stamp), document.baseURI).href : "";
  }

  build(figures) {
    const count = figures.length;
    this.labels = figures.map(([label]) => label).join();
    this.grid.style = `--n:${count > 8 ? Math.ceil(count / 2) : count};--m:${count % 3 ? 2 : 3}`;
    this.cells = figures.map(([label]) => {
      const image = make("img", { alt: label }),
        link = make("a", {}, image);
      this.grid.append(make("figure", {}, link, make("figcaption", {}, label)));
      return [link, image];
    });
    this.grid.replaceChildren(...this.cells.map(([link]) => link.parentElement));
  }
}

// The stamp changes when the images of the current epoch are replaced.
function addressOf(url, stamp) {
  return url + (stamp ? `?${stamp}` : "");
}
