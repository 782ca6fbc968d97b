// One picture, large: its surround, its actual size, its prompt to copy, swipes and arrows.
// It works on the picture's own page and in the lightbox; the lightbox says "stage" when it turned.

const byId = (id) => document.getElementById(id);
const SWIPE_PIXELS = 60;
const GROUND = "klingweb-ground";

// --- what only scripts can do ------------------------------------------------------------------

function dress() {
  const stage = byId("viewer");
  if (!stage) return;
  byId("copy").hidden = !navigator.clipboard;
  byId("backdrops").hidden = false;
  const ground = localStorage.getItem(GROUND) ?? "dark";
  stage.dataset.backdrop = ground;
  stage.querySelector(`[name=ground][value=${ground}]`).checked = true;
  for (const image of stage.querySelectorAll("[data-colour]")) {
    image.style.backgroundColor = image.dataset.colour;
  }
  tellZoom();
}

/** How large a pixel of the picture is on this screen. */
function tellZoom() {
  const image = document.querySelector(".canvas img");
  if (!image) return;
  const shown = (image.getBoundingClientRect().width * devicePixelRatio) / image.getAttribute("width");
  byId("zoom").textContent = `${Math.round(shown * 100)} %`;
}

document.addEventListener("stage", dress);
window.addEventListener("resize", tellZoom);
document.addEventListener("load", (event) => event.target.closest?.(".canvas") && tellZoom(), true);

document.addEventListener("change", (event) => {
  if (event.target.name !== "ground") return;
  byId("viewer").dataset.backdrop = event.target.value;
  localStorage.setItem(GROUND, event.target.value);
});

document.addEventListener("click", (event) => {
  const whole = event.target.closest("[data-zoom]");
  if (whole && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    zoom(whole, event);
  }
  if (event.target.id === "copy") copy(event.target);
});

/** Between the whole picture and its own pixels, around the point that was pressed. */
function zoom(whole, event) {
  const easel = whole.closest(".canvas");
  const image = whole.firstElementChild;
  const box = image.getBoundingClientRect();
  const [x, y] = event.detail
    ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    : [0.5, 0.5];
  const isClose = easel.classList.toggle("is-zoomed");
  image.style.width = isClose ? `${image.getAttribute("width") / devicePixelRatio}px` : "";
  const now = image.getBoundingClientRect();
  easel.scrollTo(x * now.width - easel.clientWidth / 2, y * now.height - easel.clientHeight / 2);
  tellZoom();
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const words = button.textContent;
  button.textContent = button.dataset.done;
  byId("announcer").textContent = button.dataset.done;
  setTimeout(() => (button.textContent = words), 2000);
}

// --- to the next one ---------------------------------------------------------------------------

function turn(rel) {
  document.querySelector(`#viewer .arrow[rel=${rel}]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (!byId("viewer") || event.target.matches("input, textarea, select, summary")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (document.querySelector(".canvas.is-zoomed")?.contains(event.target)) return;
  if (event.key === "ArrowLeft") turn("prev");
  if (event.key === "ArrowRight") turn("next");
});

let from = null;

document.addEventListener("touchstart", (event) => {
  const free = event.touches.length === 1 && event.target.closest(".canvas:not(.is-zoomed)");
  from = free ? event.touches[0] : null;
}, { passive: true });

document.addEventListener("touchend", (event) => {
  if (!from) return;
  const [to] = event.changedTouches;
  const [across, down] = [to.clientX - from.clientX, to.clientY - from.clientY];
  from = null;
  if (Math.abs(across) < SWIPE_PIXELS || Math.abs(across) < 2 * Math.abs(down)) return;
  turn(across > 0 ? "prev" : "next");
});

dress();
