// The grid of images: loads further pages on scroll, opens images in the lightbox, runs actions.
// Without scripts every link and form works on its own. selection.js requests an action for several
// images with the event "bulk-action-requested". Two events report changes to the grid:
// "pictures-loaded" (new tiles) and "pictures-changed" (after an action).

const byId = (id) => document.getElementById(id);
const grid = () => byId("tiles");
const HTMX_HEADERS = { "HX-Request": "true" }; // the server then sends only the part of the page
const HAS_TYPED_ATTR = CSS.supports("color: attr(data-colour type(<color>))"); // see base.css
const TOAST_MS = 8000;
const RETRY_MS = 5000;
const LOAD_MARGIN = "1600px"; // the next page is loaded this far before the end

// --- the next page -----------------------------------------------------------------------------

const endObserver = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) loadMore(entry.target);
}, { rootMargin: LOAD_MARGIN });

function initializeTiles() {
  if (!HAS_TYPED_ATTR) {
    for (const link of document.querySelectorAll(".tile [data-colour]")) {
      link.style.backgroundColor = link.dataset.colour;
    }
  }
  const more = byId("older");
  if (more) endObserver.observe(more);
  document.dispatchEvent(new Event("pictures-loaded"));
}

/** Replace the link to the next page with its tiles. On an error the link stays; retry later. */
async function loadMore(more) {
  endObserver.unobserve(more);
  grid().ariaBusy = "true";
  try {
    const response = await fetch(more.dataset.more, { headers: HTMX_HEADERS });
    byId("offline").hidden = true;
    if (response.status === 401) return location.reload();
    if (response.ok) insertTiles(await response.text(), more);
  } catch {
    byId("offline").hidden = false;
    setTimeout(() => endObserver.observe(more), RETRY_MS);
  } finally {
    grid().ariaBusy = "false";
  }
}

function insertTiles(html, more) {
  const previous = more.previousElementSibling;
  more.outerHTML = html;
  // The first new element records the key of its page, for the URL on "pagehide".
  previous.nextElementSibling.dataset.start = more.dataset.start;
  tileToRestore?.scrollIntoView();
  tileToRestore = null;
  initializeTiles();
}

// --- the scroll position -----------------------------------------------------------------------

let tileToRestore = null; // scrolled to again once the page after it has loaded

// Save the first visible tile and its page in the URL: a reload on "back" finds the same place.
window.addEventListener("pagehide", () => {
  if (byId("lightbox").open || scrollY < innerHeight) return;
  const headerHeight = document.querySelector(".header").offsetHeight; // tiles under it are hidden
  const firstVisible = [...grid().children].find(
    (tile) => tile.id.startsWith("p") && tile.getBoundingClientRect().top > headerHeight,
  );
  let pageStart = firstVisible;
  while (pageStart && !pageStart.dataset.start) pageStart = pageStart.previousElementSibling;
  const query = new URLSearchParams(location.search);
  if (pageStart) {
    for (const name of ["before", "after", "month"]) query.delete(name);
    query.set(...pageStart.dataset.start.split("="));
  }
  if (!firstVisible) return;
  history.scrollRestoration = "manual";
  history.replaceState(history.state, "", `?${query}#${firstVisible.id}`);
});

window.addEventListener("pageshow", (event) => {
  if (!event.persisted && history.scrollRestoration === "manual") {
    tileToRestore = byId(location.hash.slice(1));
    tileToRestore?.scrollIntoView();
  }
  history.scrollRestoration = "auto";
});

// Scroll to a month that is already loaded instead of requesting it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-month]");
  const heading = link && byId(`month-${link.dataset.month}`);
  if (!heading) return;
  event.preventDefault();
  heading.scrollIntoView();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// --- the lightbox ------------------------------------------------------------------------------

const lightbox = byId("lightbox");
const galleryTitle = document.title;

async function showPicture(url) {
  const response = await fetch(url, { headers: HTMX_HEADERS });
  if (!response.ok || !response.headers.get("content-type")?.startsWith("text/html")) {
    location.assign(url); // the page itself shows the error
    return;
  }
  const focusedArrow = lightbox.contains(document.activeElement) && document.activeElement.rel;
  byId("lightbox-viewer").innerHTML = await response.text();
  if (!byId("viewer")) return location.assign(url);
  if (!lightbox.open) lightbox.showModal();
  document.dispatchEvent(new Event("viewer-changed"));
  document.title = byId("viewer").dataset.title;
  (focusedArrow && lightbox.querySelector(`[rel=${focusedArrow}]`) || byId("viewer-prompt")).focus();
}

async function openLightbox(url) {
  await showPicture(url);
  history.pushState({ lightbox: true }, "", url);
}

let isNavigating = false;
const pendingDirections = []; // of arrow presses during a navigation

async function navigate(url, direction) {
  if (isNavigating) return pendingDirections.push(direction);
  isNavigating = true;
  await showPicture(url);
  history.replaceState({ lightbox: true }, "", url);
  isNavigating = false;
  const next = pendingDirections.shift();
  if (next) lightbox.querySelector(`.arrow[rel=${next}]`)?.click();
}

/** Synchronous, so that the next key press already has the focus in the grid. */
function closeLightbox() {
  const viewer = byId("viewer");
  if (!viewer) return;
  const tile = byId(`p${viewer.dataset.picture}`);
  lightbox.close();
  byId("lightbox-viewer").replaceChildren();
  document.title = galleryTitle;
  tile?.querySelector("a").focus();
  if (history.state?.lightbox) history.back();
}

lightbox.addEventListener("cancel", (event) => {
  event.preventDefault();
  closeLightbox();
});

lightbox.addEventListener("close", closeLightbox); // for browsers that skip "cancel"

window.addEventListener("popstate", () => {
  if (history.state?.lightbox) showPicture(location.href);
  else closeLightbox();
});

const isPlainClick = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || !isPlainClick(event)) return;
  const inLightbox = link.closest("#lightbox");
  const isTile = link.closest(".tile") && !link.closest(".is-selecting") && link.getAttribute("href").startsWith("/pictures/");
  const isArrow = inLightbox && (link.matches(".arrow") || "navigate" in link.dataset);
  if (!isTile && !isArrow && !(inLightbox && "close" in link.dataset)) return;
  event.preventDefault();
  if (isTile) openLightbox(link.href);
  else if (isArrow) navigate(link.href, link.rel);
  else closeLightbox();
});

// --- actions -----------------------------------------------------------------------------------

lightbox.addEventListener("submit", (event) => {
  if (!("action" in event.target.dataset)) return;
  event.preventDefault();
  const { target, submitter } = event;
  runAction(target.action, new FormData(target, submitter), submitter.id);
});

/** Post a form, update the tiles and show the message. `focusId` gets the focus in the lightbox. */
async function runAction(url, data, focusId) {
  const response = await fetch(url, { method: "POST", body: data, headers: HTMX_HEADERS });
  if (response.status === 401) return location.reload();
  byId("refused").hidden = response.ok || response.status === 422;
  if (!byId("refused").hidden) return;
  const change = JSON.parse(response.headers.get("HX-Trigger") ?? "{}")["pictures-changed"];
  if (change) updateTiles(change);
  showToast(await response.text());
  if (!lightbox.open || !byId("viewer")) return;
  if (change?.action === "trash") return showNeighbour();
  await showPicture(byId("viewer").dataset.url);
  byId(focusId)?.focus();
}

/** Replace a trashed picture in the lightbox with the next or the previous one. */
function showNeighbour() {
  const arrow = lightbox.querySelector(".arrow[rel=next], .arrow[rel=prev]");
  if (arrow) navigate(arrow.href);
  else closeLightbox();
}

let toastTimeout = 0;

/** Show the message with its undo button. It stays while it is hovered or focused. */
function showToast(html) {
  const container = byId(lightbox.open ? "lightbox-toast" : "toast");
  container.innerHTML = html;
  clearTimeout(toastTimeout);
  toastTimeout = setTimeout(function hide() {
    if (container.matches(":hover, :focus-within")) toastTimeout = setTimeout(hide, TOAST_MS);
    else container.replaceChildren();
  }, TOAST_MS);
}

document.addEventListener("bulk-action-requested", ({ detail }) => runAction(detail.url, detail.data));

document.addEventListener("submit", (event) => {
  if (!event.target.closest(".toast")) return;
  event.preventDefault();
  runAction(event.target.action, new FormData(event.target));
});

/** Apply an action to the tiles. Trashed tiles are only hidden, because undo shows them again. */
function updateTiles({ action, pictures }) {
  for (const pk of pictures) {
    const tile = byId(`p${pk}`);
    if (!tile) continue;
    if (action === "trash" || action === "restore") tile.hidden = action === "trash";
    if (action === "uncollect") tile.hidden = true;
    if (action === "favourite") addIcon(tile, "heart");
    if (action === "unfavourite") tile.querySelector(".heart")?.remove();
    if (action === "private") addIcon(tile, "lock");
    if (action === "share") tile.querySelector(".lock")?.remove();
  }
  document.dispatchEvent(new Event("pictures-changed"));
}

function addIcon(tile, name) {
  if (tile.querySelector(`.${name}`)) return;
  tile.insertAdjacentHTML("beforeend", `<svg class="icon ${name}"><use href="#icon-${name}"/></svg>`);
}

initializeTiles();
