// One large image: the way back, background, actual size, copying the prompt, arrow keys and swipes.
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
  setBackdrop(localStorage.getItem(BACKDROP_KEY) ?? localStorage.getItem(FORMER_BACKDROP_KEY));
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
  byId("zoom").hidden = false;
  byId("zoom").textContent = `${Math.round(scale * 100)} %`;
}

function setBackdrop(name) {
  const viewer = byId("viewer");
  const option = viewer.querySelector(`[name=backdrop][value="${name}"]`) ?? viewer.querySelector("[name=backdrop]");
  option.checked = true;
  viewer.dataset.backdrop = option.value;
}

function useNextBackdrop() {
  const options = [...document.querySelectorAll("#backdrops input")];
  const index = options.findIndex((option) => option.checked);
  options[(index + 1) % options.length].click();
}

document.addEventListener("viewer-changed", initializeViewer);

// After an action only the panel is replaced, so that the image neither moves nor flickers.
document.addEventListener("action-done", ({ detail }) => {
  if (!byId("viewer") || !detail.change) return;
  if (detail.change.action !== "trash") refreshPanel(detail.focusId);
  else if (!byId("lightbox")) detail.next = nextAfterTrash();
});

function nextAfterTrash() {
  const arrow = document.querySelector(".arrow.next") ?? document.querySelector(".arrow");
  return (arrow ?? document.querySelector("[data-close]")).href;
}

async function refreshPanel(focusId) {
  const { url } = byId("viewer").dataset;
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok || byId("viewer")?.dataset.url !== url) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const { scrollTop } = byId("panel");
  for (const { id, value } of byId("panel").querySelectorAll("textarea[id]")) {
    page.getElementById(id).value = value; // what is being written
  }
  byId("panel").replaceWith(page.getElementById("panel"));
  byId("panel").scrollTop = scrollTop;
  initializeViewer();
  byId(focusId)?.focus();
}
window.addEventListener("resize", updateZoom);
document.addEventListener("load", (event) => event.target.closest?.(".canvas") && updateZoom(), true);

document.addEventListener("change", (event) => {
  if (event.target.name !== "backdrop") return;
  byId("viewer").dataset.backdrop = event.target.value;
  localStorage.setItem(BACKDROP_KEY, event.target.value);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#zoom") ? document.querySelector("[data-zoom]") : event.target.closest("[data-zoom]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const isEndOfPan = wasPanned && event.detail; // keys have no detail
    if (!isEndOfPan) toggleZoom(link, event);
  }
  if (event.target.id === "copy") copyPrompt(event.target);
  if (event.target.id === "next-backdrop") useNextBackdrop();
});

/** Toggle between the whole image and its actual size, centred on the click. */
function toggleZoom(link, event) {
  const canvas = link.closest(".canvas");
  const image = link.firstElementChild;
  const box = image.getBoundingClientRect();
  const [x, y] = event.detail && canvas.contains(event.target)
    ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    : [0.5, 0.5];
  const isZoomed = canvas.classList.toggle("is-zoomed");
  byId("zoom").setAttribute("aria-pressed", String(isZoomed));
  image.style.width = isZoomed ? `${image.getAttribute("width") / devicePixelRatio}px` : "";
  const zoomedBox = image.getBoundingClientRect();
  canvas.scrollTo(
    x * zoomedBox.width - canvas.clientWidth / 2,
    y * zoomedBox.height - canvas.clientHeight / 2,
  );
  updateZoom();
}

// Drag the zoomed image with a mouse; fingers scroll it.
let panStart = null;
let wasPanned = false;

document.addEventListener("pointerdown", (event) => {
  const canvas = event.target.closest?.(".canvas.is-zoomed");
  wasPanned = false;
  panStart = canvas && event.pointerType === "mouse" && !event.button ? event : null;
});

document.addEventListener("pointermove", (event) => {
  if (!panStart) return;
  const [x, y] = [event.movementX, event.movementY];
  wasPanned ||= Math.hypot(event.clientX - panStart.clientX, event.clientY - panStart.clientY) > 4;
  document.querySelector(".canvas").scrollBy(-x, -y);
});

document.addEventListener("pointerup", () => (panStart = null));
document.addEventListener("dragstart", (event) => panStart && event.preventDefault());

async function copyPrompt(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = button.dataset.done;
  byId("announcer").textContent = button.dataset.done;
  setTimeout(() => (button.textContent = label), COPIED_MS);
}

// --- the way back --------------------------------------------------------------------------------

/** Going back in the history also restores the place on the page; a link starts at its top. */
document.addEventListener("click", (event) => {
  const link = event.target.closest("#viewer [data-close]");
  if (!link || byId("lightbox") || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const withoutHash = (url) => url.split("#")[0];
  const isPrevious = isReloadedLightbox || withoutHash(document.referrer) === withoutHash(link.href);
  if (!isPrevious || history.length < 2) return;
  event.preventDefault();
  history.back();
});

// Reloaded while it was open over a grid, which is the entry before this one.
const isReloadedLightbox = !byId("lightbox") && Boolean(history.state?.lightbox);
if (isReloadedLightbox) {
  const back = document.querySelector("#viewer .back");
  back.querySelector("bdi").textContent = back.dataset.gridName;
}

/** Escape closes one layer: first the actual size, then the page. */
function closeOnEscape() {
  if (!leaveZoom()) document.querySelector("#viewer [data-close]").click();
}

function leaveZoom() {
  const zoomed = document.querySelector(".canvas.is-zoomed [data-zoom]");
  zoomed?.click();
  return Boolean(zoomed);
}

// The lightbox closes itself.
document.addEventListener("cancel", (event) => {
  if (event.target.id !== "lightbox" || !leaveZoom()) return;
  event.preventDefault();
  event.stopPropagation();
}, { capture: true });

// --- previous and next -------------------------------------------------------------------------

function clickArrow(rel) {
  document.querySelector(`#viewer .arrow[rel=${rel}]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (!byId("viewer") || event.target.matches("input, textarea, select, summary")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const isPage = !byId("lightbox") && !document.querySelector("dialog:modal");
  if (event.key === "Escape" && isPage && !event.defaultPrevented) closeOnEscape();
  if (document.querySelector(".canvas.is-zoomed")?.contains(event.target)) return;
  if (document.querySelector("#search[open]")) return; // over the lightbox
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
