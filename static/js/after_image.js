// Loads the scripts of a grid of images (`data-after-image` on a script) after the largest image of
// the first screen, which on a slow line they would delay. Until then links and forms work without
// them, and the first press or key loads them at once. They are inserted before the "load" event of
// the page, which waits for them as for those in its source.

const sources = document.querySelector("script[data-after-image]").dataset.afterImage.match(/\S+/g) ?? [];
const image = document.querySelector("img[fetchpriority=high]");
const waiting = new AbortController();

function load() {
  waiting.abort();
  for (const src of sources) {
    const next = Object.assign(document.createElement("script"), { type: "module", src });
    next.async = false; // in this order
    document.body.append(next);
  }
}

function loadAfterImage() {
  const { signal } = waiting;
  for (const type of ["load", "error"]) image.addEventListener(type, load, { signal });
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, load, { signal, capture: true });
}

if (image && !image.complete) loadAfterImage();
else load();
