// The wall: more pictures as one comes near its end, the lightbox over it, and what is done to them.
// Without it every part is a link or a form of its own. Choosing many has a module of its own, which
// says "press" with what is to be done, and hears "changed" when it is.

const byId = (id) => document.getElementById(id);
const tiles = () => byId("tiles");
const HX = { "HX-Request": "true" }; // for what belongs into the page, without what is around it
const TOAST_MS = 8000;
const AGAIN_MS = 5000;
const NEAREST = document.querySelector(".header").offsetHeight; // what is above it is not seen
const NEAR = "1600px"; // of scrolling before the end, the next page is asked for

// --- the next page -----------------------------------------------------------------------------

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) fetchMore(entry.target);
}, { rootMargin: NEAR });

function arrive() {
  for (const link of document.querySelectorAll(".tile [data-colour]")) {
    link.style.backgroundColor = link.dataset.colour;
  }
  const more = byId("older");
  if (more) near.observe(more);
  document.dispatchEvent(new Event("arrived"));
}

/** In the place of the link to it. Where it does not come, the link stays, and is tried again. */
async function fetchMore(more) {
  near.unobserve(more);
  tiles().ariaBusy = "true";
  try {
    const answer = await fetch(more.dataset.more, { headers: HX });
    byId("offline").hidden = true;
    if (answer.status === 401) return location.reload();
    if (answer.ok) hang(await answer.text(), more);
  } catch {
    byId("offline").hidden = false;
    setTimeout(() => near.observe(more), AGAIN_MS);
  } finally {
    tiles().ariaBusy = "false";
  }
}

function hang(html, more) {
  const previous = more.previousElementSibling;
  more.outerHTML = html;
  // The first of what comes in knows by which key it was asked for.
  previous.nextElementSibling.dataset.start = more.dataset.start;
  returnTo?.scrollIntoView();
  returnTo = null;
  arrive();
}

let returnTo = null; // the tile one left; with the page after it, it can stand where it stood

// Coming back finds the same place, even where the browser had to ask for the page again.
window.addEventListener("pagehide", () => {
  if (byId("lightbox").open || scrollY < innerHeight) return;
  const seen = [...tiles().children].find(
    (tile) => tile.id.startsWith("p") && tile.getBoundingClientRect().top > NEAREST,
  );
  let before = seen;
  while (before && !before.dataset.start) before = before.previousElementSibling;
  const query = new URLSearchParams(location.search);
  if (before) {
    for (const name of ["before", "after", "month"]) query.delete(name);
    query.set(...before.dataset.start.split("="));
  }
  if (!seen) return;
  history.scrollRestoration = "manual";
  history.replaceState(history.state, "", `?${query}#${seen.id}`);
});

window.addEventListener("pageshow", (event) => {
  if (!event.persisted && history.scrollRestoration === "manual") {
    returnTo = byId(location.hash.slice(1));
    returnTo?.scrollIntoView();
  }
  history.scrollRestoration = "auto";
});

// A month that is on the wall already is only a scroll away.
document.addEventListener("click", (event) => {
  const month = event.target.closest("[data-month]");
  const heading = month && byId(`month-${month.dataset.month}`);
  if (!heading) return;
  event.preventDefault();
  heading.scrollIntoView();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// --- the lightbox ------------------------------------------------------------------------------

const lightbox = byId("lightbox");
const wallTitle = document.title;

async function show(address) {
  const answer = await fetch(address, { headers: HX });
  if (!answer.ok || !answer.headers.get("content-type")?.startsWith("text/html")) {
    location.assign(address); // the page itself says what is the matter
    return;
  }
  const had = lightbox.contains(document.activeElement) && document.activeElement.rel;
  byId("lightbox-viewer").innerHTML = await answer.text();
  if (!byId("viewer")) return location.assign(address);
  if (!lightbox.open) lightbox.showModal();
  document.dispatchEvent(new Event("stage"));
  document.title = byId("viewer").dataset.title;
  (had && lightbox.querySelector(`[rel=${had}]`) || byId("viewer-prompt")).focus();
}

async function open(address) {
  await show(address);
  history.pushState({ lightbox: true }, "", address);
}

let turning = false;
const turns = []; // presses of an arrow that came while one was under way

async function turn(address, rel) {
  if (turning) return turns.push(rel);
  turning = true;
  await show(address);
  history.replaceState({ lightbox: true }, "", address);
  turning = false;
  const next = turns.shift();
  if (next) lightbox.querySelector(`.arrow[rel=${next}]`)?.click();
}

/** All in one go: a key that is pressed next already finds the focus on the wall. */
function close() {
  const stage = byId("viewer");
  if (!stage) return;
  const tile = byId(`p${stage.dataset.picture}`);
  lightbox.close();
  byId("lightbox-viewer").replaceChildren();
  document.title = wallTitle;
  tile?.querySelector("a").focus();
  if (history.state?.lightbox) history.back();
}

lightbox.addEventListener("cancel", (event) => {
  event.preventDefault();
  close();
});

lightbox.addEventListener("close", close); // a browser that did not wait for "cancel"

window.addEventListener("popstate", () => {
  if (history.state?.lightbox) show(location.href);
  else close();
});

const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || !isPlain(event)) return;
  const isTile = link.closest(".tile") && !link.closest(".is-choosing") && link.getAttribute("href").startsWith("/pictures/");
  const isArrow = link.closest("#lightbox") && (link.matches(".arrow") || "navigate" in link.dataset);
  if (!isTile && !isArrow && !(link.closest("#lightbox") && "close" in link.dataset)) return;
  event.preventDefault();
  if (isTile) open(link.href);
  else if (isArrow) turn(link.href, link.rel);
  else close();
});

// A press on one picture: done behind it, and shown where it stands.
lightbox.addEventListener("submit", (event) => {
  if (!("action" in event.target.dataset)) return;
  event.preventDefault();
  const { target, submitter } = event;
  press(target.action, new FormData(target, submitter), submitter.id);
});

async function press(address, data, focus) {
  const answer = await fetch(address, { method: "POST", body: data, headers: HX });
  if (answer.status === 401) return location.reload();
  byId("refused").hidden = answer.ok || answer.status === 422;
  if (!byId("refused").hidden) return;
  const { chosen } = JSON.parse(answer.headers.get("HX-Trigger") ?? "{}");
  if (chosen) apply(chosen);
  toast(await answer.text());
  if (!lightbox.open || !byId("viewer")) return;
  if (chosen?.action === "trash") return leave();
  await show(byId("viewer").dataset.address);
  byId(focus)?.focus();
}

/** The one in the trash makes room for its neighbour. */
function leave() {
  const next = lightbox.querySelector(".arrow[rel=next], .arrow[rel=prev]");
  if (next) turn(next.href);
  else close();
}

// --- what was done -----------------------------------------------------------------------------

let fading = 0;

/** In words, with the way back; where the focus stays it waits, else it goes after a while. */
function toast(html) {
  const place = byId(lightbox.open ? "lightbox-toast" : "toast");
  place.innerHTML = html;
  clearTimeout(fading);
  fading = setTimeout(function fade() {
    if (place.matches(":hover, :focus-within")) fading = setTimeout(fade, TOAST_MS);
    else place.replaceChildren();
  }, TOAST_MS);
}

document.addEventListener("press", ({ detail }) => press(detail.address, detail.data));

document.addEventListener("submit", (event) => {
  if (!event.target.closest(".toast")) return;
  event.preventDefault();
  press(event.target.action, new FormData(event.target));
});

/** Show on the wall what a action changed. What went to the trash is only hidden: it may come back. */
function apply({ action, pictures }) {
  for (const pk of pictures) {
    const tile = byId(`p${pk}`);
    if (!tile) continue;
    if (action === "trash" || action === "restore") tile.hidden = action === "trash";
    if (action === "uncollect") tile.hidden = true;
    if (action === "favourite") mark(tile, "heart");
    if (action === "unfavourite") tile.querySelector(".heart")?.remove();
    if (action === "private") mark(tile, "lock");
    if (action === "share") tile.querySelector(".lock")?.remove();
  }
  document.dispatchEvent(new Event("changed"));
}

function mark(tile, name) {
  if (tile.querySelector(`.${name}`)) return;
  tile.insertAdjacentHTML("beforeend", `<svg class="icon ${name}"><use href="#icon-${name}"/></svg>`);
}

arrive();
