"use strict";
// The head of the results page: mean, standard deviation and histogram of each metric.

const summary = make("section", { id: "summary", hidden: "" });

// values: name of a metric -> its values; rows: number of rows; choose(name): called on a click
function drawSummary(values, rows, choose) {
  summary.hidden = !values.size;
  summary.replaceChildren(
    ...[...values].map(([name, numbers]) => {
      const found = statistics(numbers);
      const { count, mean, std, low, high } = found ?? { count: 0 };
      const amount = count === rows ? `${count} images` : `${count} of ${rows} images`;
      const text = found ? `${rounded(mean, std)} ± ${rounded(std, std)}` : "no values";
      return make(
        "button",
        { class: "card", title: "Sort the images by this metric", onclick: () => choose(name) },
        make("b", {}, name),
        make("span", {}, text),
        ...(found ? [histogram(found)] : []),
        make("small", {}, found ? `${rounded(low, std)} to ${rounded(high, std)}, ${amount}` : ""),
      );
    }),
  );
}

// Bars for the bins, and a line at the mean.
function histogram({ bins, low, high, mean }) {
  const most = Math.max(...bins);
  const bars = bins.map((count, i) => {
    const height = (38 * count) / most;
    return count ? `<rect x="${5 * i}" y="${40 - height}" width="4.4" height="${height}"/>` : "";
  });
  const at = high > low ? ((mean - low) / (high - low)) * 5 * bins.length : 2;
  const span = make("span", { class: "histogram", role: "img" });
  span.setAttribute("aria-label", `Histogram: ${bins.join(", ")}`);
  span.innerHTML =
    `<svg viewBox="0 0 ${5 * bins.length} 40" preserveAspectRatio="none">${bars.join("")}` +
    `<path d="M${at} 0V40"/></svg>`;
  return span;
}
