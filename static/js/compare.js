// Compares images: actual size at the same place in all of them, and one over the other.
// Without scripts they stand side by side.

const byId = (id) => document.getElementById(id);
const sides = byId("sides");
const frames = [...sides.querySelectorAll(".side-frame")];
const overlay = byId("overlay");
const reveal = byId("reveal");

byId("compare-tools").hidden = false;

// --- actual size, at the same place in all -------------------------------------------------------

const isZoomed = () => sides.classList.contains("is-zoomed");

/** `x` and `y`: the place in the image, 0 to 1, that comes to the middle. */
function zoom(isOn, x = 0.5, y = 0.5) {
  sides.classList.toggle("is-zoomed", isOn);
  byId("zoom").setAttribute("aria-pressed", String(isOn));
  for (const frame of frames) {
    const image = frame.querySelector("img");
    if (isOn) image.src = frame.href;
    image.style.width = isOn ? `${image.getAttribute("width") / devicePixelRatio}px` : "";
    scrollToShare(frame, x, y);
  }
}

function scrollToShare(frame, x, y) {
  frame.scrollTo(x * frame.scrollWidth - frame.clientWidth / 2, y * frame.scrollHeight - frame.clientHeight / 2);
}

const shareOf = (frame) => [
  (frame.scrollLeft + frame.clientWidth / 2) / frame.scrollWidth,
  (frame.scrollTop + frame.clientHeight / 2) / frame.scrollHeight,
];

let scrolledBy = null; // the frame under the hand; the others follow it

for (const frame of frames) {
  for (const type of ["pointerdown", "pointerenter", "wheel", "focus", "touchstart"]) {
    frame.addEventListener(type, () => (scrolledBy = frame), { passive: true });
  }
  frame.addEventListener("scroll", () => {
    if (!isZoomed() || scrolledBy !== frame) return;
    for (const other of frames) if (other !== frame) scrollToShare(other, ...shareOf(frame));
  });
  frame.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const box = frame.querySelector("img").getBoundingClientRect();
    const place = event.detail ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height] : [];
    zoom(!isZoomed(), ...place);
  });
}

byId("zoom").addEventListener("click", () => zoom(!isZoomed()));

// Arrow keys scroll the focused frame by themselves only where it is the scroller.
sides.addEventListener("keydown", (event) => {
  const frame = event.target.closest(".side-frame");
  const step = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] }[event.key];
  if (!frame || !step || !isZoomed()) return;
  event.preventDefault();
  scrolledBy = frame;
  frame.scrollBy(...step);
});

// --- one over the other --------------------------------------------------------------------------

const isOverlaid = () => !overlay.hidden;

function setOverlay(isOn) {
  if (isOn) zoom(false);
  overlay.hidden = !isOn;
  sides.hidden = isOn;
  byId("toggle-overlay").setAttribute("aria-pressed", String(isOn));
  if (isOn) showOverlay();
}

/** The left image up to the slider, the right one behind it. */
function showOverlay() {
  for (const side of ["left", "right"]) {
    const select = byId(`overlay-${side}`);
    const source = frames[select ? select.value : side === "left" ? 0 : 1].querySelector("img");
    const image = byId(`overlay-${side}-image`);
    image.src = source.dataset.preview;
    image.alt = source.alt;
    if (side === "right") overlay.style.setProperty("--ratio", source.getAttribute("width") / source.getAttribute("height"));
  }
  byId("overlay-left-image").style.clipPath = `inset(0 ${100 - reveal.value}% 0 0)`;
  byId("overlay-line").style.left = `${reveal.value}%`;
}

byId("toggle-overlay").addEventListener("click", () => setOverlay(!isOverlaid()));
overlay.addEventListener("input", showOverlay);

/** The slider follows the pointer anywhere on the image. */
byId("overlay-frame").addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch" || event.buttons) moveLine(event);
});
byId("overlay-frame").addEventListener("pointerdown", moveLine);

function moveLine(event) {
  const box = byId("overlay-frame").getBoundingClientRect();
  reveal.value = (100 * (event.clientX - box.left)) / box.width;
  showOverlay();
}

// --- keys and favourites -------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal")) return;
  if (isOverlaid()) setOverlay(false);
  else if (isZoomed()) zoom(false);
  else byId("back").click();
});

document.addEventListener("action-done", ({ detail: { change } }) => {
  if (!["favourite", "unfavourite"].includes(change?.action)) return;
  for (const pk of change.pictures) showFavourite(byId(`favourite-${pk}`), change.action === "favourite");
});

function showFavourite(button, isOn) {
  if (!button) return;
  button.setAttribute("aria-pressed", String(isOn));
  button.classList.toggle("is-on", isOn);
  button.form.action = button.form.action.replace(/\w+$/, isOn ? "unfavourite" : "favourite");
}
