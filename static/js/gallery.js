// The grid of images: loads further pages on scroll, opens images in the lightbox, and shows what an
// action (actions.js) has changed. Without scripts every link and form works on its own. Two events
// report changes to the grid: "pictures-loaded" (new tiles) and "pictures-changed" (after an action).

const byId = (id) => document.getElementById(id);
const grid = () => byId("tiles");
const HTMX_HEADERS = { "HX-Request": "true" }; // the server then sends only the part of the page
const HAS_TYPED_ATTR = CSS.supports("color: attr(data-colour type(<color>))"); // see base.css
const RETRY_MS = 5000;
const LOAD_MARGIN = "1600px"; // the next page is loaded this far before the end

// --- the next page -----------------------------------------------------------------------------

const endObserver = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) loadMore(entry.target);
}, { rootMargin: LOAD_MARGIN });
let hasScrolled = false;

/** Load the next page only after the first scroll: its images would delay those on the screen. */
function watchEnd() {
  const more = byId("older");
  const canScroll = document.documentElement.scrollHeight > innerHeight;
  if (more && (hasScrolled || !canScroll)) endObserver.observe(more);
}

addEventListener("scroll", () => {
  hasScrolled = true;
  watchEnd();
}, { once: true, passive: true });

function initializeTiles() {
  if (!HAS_TYPED_ATTR) {
    for (const link of document.querySelectorAll(".tile [data-colour]")) {
      link.style.backgroundColor = link.dataset.colour;
    }
  }
  watchEnd();
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
  const { target } = event;
  if (target.matches("[data-submits]") && !target.closest("dialog")) target.form.requestSubmit();
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
  const tile = tileOf(viewer.dataset.picture);
  lightbox.close();
  byId("lightbox-viewer").replaceChildren();
  document.title = galleryTitle;
  tile?.querySelector(":scope > a").focus();
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

document.addEventListener("action-done", ({ detail: { change } }) => {
  const action = change && effectOnGrid(change.action);
  if (!action) return;
  updateTiles({ ...change, action });
  if (lightbox.open && change.action === "trash") showNeighbour();
});

/** Only the grid of a collection loses what is removed from it; there, adding is the undo of that. */
function effectOnGrid(action) {
  if (action !== "collect" && action !== "uncollect") return action;
  if (!("collection" in (grid()?.dataset ?? {}))) return "";
  return action === "collect" ? "restore" : action;
}

/** Replace a trashed picture in the lightbox with the next or the previous one. */
function showNeighbour() {
  const arrow = lightbox.querySelector(".arrow[rel=next], .arrow[rel=prev]");
  if (arrow) navigate(arrow.href);
  else closeLightbox();
}

// --- tiles -------------------------------------------------------------------------------------
// `data-images` of a tile are the ids of its images: several for a stack, which shows one of them.

const tilesWith = (pk) => document.querySelectorAll(`.tile[data-images~="${pk}"], .tile[data-removed~="${pk}"]`);
const ids = (text) => text?.split(" ").filter(Boolean) ?? [];

/** The tile that shows the picture: in an open stack, or else in the grid. */
function tileOf(pk) {
  return byId(`o${pk}`) ?? byId(`p${pk}`) ?? tilesWith(pk)[0];
}

function updateTiles({ action, pictures }) {
  for (const pk of pictures.map(String)) {
    for (const tile of tilesWith(pk)) {
      if (action === "trash" || action === "uncollect") moveImage(tile, pk, "images", "removed");
      if (action === "restore") moveImage(tile, pk, "removed", "images");
      if (tile.id.slice(1) !== pk) continue;
      if (action === "favourite") addIcon(tile, "heart");
      if (action === "unfavourite") tile.querySelector(".heart")?.remove();
      if (action === "private") addIcon(tile, "lock");
      if (action === "share") tile.querySelector(".lock")?.remove();
    }
  }
  document.dispatchEvent(new Event("pictures-changed"));
  updateCounts();
}

/** Note that a tile has lost an image, or has it again. Without images it is hidden, for an undo. */
function moveImage(tile, pk, from, to) {
  if (!ids(tile.dataset[from]).includes(pk)) return;
  tile.dataset[from] = ids(tile.dataset[from]).filter((each) => each !== pk).join(" ");
  tile.dataset[to] = [...ids(tile.dataset[to]), pk].sort((a, b) => a - b).join(" ");
  const images = ids(tile.dataset.images);
  tile.hidden = !images.length;
  const badge = tile.querySelector(".badge");
  if (!badge || tile.hidden) return;
  tile.classList.toggle("is-stack", images.length > 1);
  badge.hidden = images.length < 2;
  badge.querySelector("span").textContent = images.length;
  if (!images.includes(tile.id.slice(1))) showCover(tile, images[0]);
}

function showCover(tile, pk) {
  tile.id = `${tile.id[0]}${pk}`;
  tile.querySelector(".heart")?.remove();
  const [link, image] = tile.querySelectorAll(":scope > a:not(.badge), img");
  link.href = link.getAttribute("href").replace(/\d+/, pk);
  image.srcset = image.srcset.replace(/files\/\d+/g, `files/${pk}`);
  image.src = image.getAttribute("src").replace(/\d+/, pk);
}

/** Ask for the counts on this page: the actions of others change them, too. */
async function updateCounts() {
  const form = byId("filter-form");
  if (!form) return;
  const query = new URLSearchParams(location.search);
  for (const count of document.querySelectorAll(".month [id^=count-]")) query.append("shown", count.id.slice(6));
  const response = await fetch(`${form.dataset.counts}?${query}`, { headers: HTMX_HEADERS });
  if (!response.ok) return;
  const counts = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const count of counts.querySelectorAll("[id]")) {
    const shown = byId(count.id);
    if (shown) shown.textContent = count.textContent.trim();
  }
}

function addIcon(tile, name) {
  if (tile.querySelector(`.${name}`)) return;
  tile.insertAdjacentHTML("beforeend", `<svg class="icon ${name}"><use href="#icon-${name}"/></svg>`);
}

initializeTiles();
