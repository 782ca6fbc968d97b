// One large image: background, actual size, copying the prompt, arrow keys and swipes.
// Runs on the image's page and in the lightbox, which sends "viewer-changed" for each image.

const byId = (id) => document.getElementById(id);
const SWIPE_PIXELS = 60;
const COPIED_MS = 2000;
const BACKDROP_KEY = "klingweb-backdrop";
const FORMER_BACKDROP_KEY = "klingweb-ground";

// --- controls that need scripts ----------------------------------------------------------------

function initializeViewer() {
  const viewer = byId("viewer");
  if (!viewer) return;
  byId("copy").hidden = !navigator.clipboard;
  byId("backdrops").hidden = false;
  const backdrop = localStorage.getItem(BACKDROP_KEY) ?? localStorage.getItem(FORMER_BACKDROP_KEY) ?? "dark";
  viewer.dataset.backdrop = backdrop;
  viewer.querySelector(`[name=backdrop][value=${backdrop}]`).checked = true;
  for (const image of viewer.querySelectorAll("[data-colour]")) {
    image.style.backgroundColor = image.dataset.colour;
  }
  updateZoom();
}

/** Show the size of an image pixel on this screen, in percent. */
function updateZoom() {
  const image = document.querySelector(".canvas img");
  if (!image) return;
  const scale = (image.getBoundingClientRect().width * devicePixelRatio) / image.getAttribute("width");
  byId("zoom").textContent = `${Math.round(scale * 100)} %`;
}

document.addEventListener("viewer-changed", initializeViewer);
window.addEventListener("resize", updateZoom);
document.addEventListener("load", (event) => event.target.closest?.(".canvas") && updateZoom(), true);

document.addEventListener("change", (event) => {
  if (event.target.name !== "backdrop") return;
  byId("viewer").dataset.backdrop = event.target.value;
  localStorage.setItem(BACKDROP_KEY, event.target.value);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-zoom]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    toggleZoom(link, event);
  }
  if (event.target.id === "copy") copyPrompt(event.target);
});

/** Toggle between the whole image and its actual size, centred on the click. */
function toggleZoom(link, event) {
  const canvas = link.closest(".canvas");
  const image = link.firstElementChild;
  const box = image.getBoundingClientRect();
  const [x, y] = event.detail
    ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    : [0.5, 0.5];
  const isZoomed = canvas.classList.toggle("is-zoomed");
  image.style.width = isZoomed ? `${image.getAttribute("width") / devicePixelRatio}px` : "";
  const zoomedBox = image.getBoundingClientRect();
  canvas.scrollTo(
    x * zoomedBox.width - canvas.clientWidth / 2,
    y * zoomedBox.height - canvas.clientHeight / 2,
  );
  updateZoom();
}

async function copyPrompt(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = button.dataset.done;
  byId("announcer").textContent = button.dataset.done;
  setTimeout(() => (button.textContent = label), COPIED_MS);
}

// --- previous and next -------------------------------------------------------------------------

function clickArrow(rel) {
  document.querySelector(`#viewer .arrow[rel=${rel}]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (!byId("viewer") || event.target.matches("input, textarea, select, summary")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (document.querySelector(".canvas.is-zoomed")?.contains(event.target)) return;
  if (event.key === "ArrowLeft") clickArrow("prev");
  if (event.key === "ArrowRight") clickArrow("next");
});

let touchStart = null;

document.addEventListener("touchstart", (event) => {
  const isSwipe = event.touches.length === 1 && event.target.closest(".canvas:not(.is-zoomed)");
  touchStart = isSwipe ? event.touches[0] : null;
}, { passive: true });

document.addEventListener("touchend", (event) => {
  if (!touchStart) return;
  const [touchEnd] = event.changedTouches;
  const [x, y] = [touchEnd.clientX - touchStart.clientX, touchEnd.clientY - touchStart.clientY];
  touchStart = null;
  if (Math.abs(x) < SWIPE_PIXELS || Math.abs(x) < 2 * Math.abs(y)) return;
  clickArrow(x > 0 ? "prev" : "next");
});

initializeViewer();
