// Shows an image for an exact number of frames.

// The time between two frames of the screen in milliseconds: the median of 20.
function frameInterval() {
  return new Promise((resolve) => {
    const times = [];
    function step(now) {
      times.push(now);
      if (times.length <= 20) return requestAnimationFrame(step);
      const gaps = times.slice(1).map((time, i) => time - times[i]);
      return resolve(gaps.sort((a, b) => a - b)[10]);
    }
    requestAnimationFrame(step);
  });
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Shows a decoded image in a frame. Resolves to the milliseconds between the frame in which it
// appeared and the one in which it was gone, and to the number of frames that the browser missed.
function present(frame, image, milliseconds, interval) {
  return new Promise((resolve) => {
    let start = null;
    let last = null;
    let late = 0;
    function step(now) {
      if (start === null) {
        frame.replaceChildren(image);
        start = now;
      } else {
        late += Math.max(0, Math.round((now - last) / interval) - 1);
        if (now - start >= milliseconds - interval / 2) {
          frame.replaceChildren();
          return resolve({ shown: now - start, late });
        }
      }
      last = now;
      return requestAnimationFrame(step);
    }
    requestAnimationFrame(step);
  });
}

// Loads and decodes the images of a session, so that no trial waits for one.
async function loadImages(names, report) {
  const images = {};
  let done = 0;
  report(0, names.length);
  await Promise.all(
    names.map(async (name) => {
      const image = new Image();
      image.src = `images/${name}.png`;
      image.alt = "";
      image.draggable = false;
      await image.decode();
      images[name] = image;
      report(++done, names.length);
    }),
  );
  return images;
}
