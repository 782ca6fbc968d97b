// The wall: more pictures as one comes near its end, the lightbox over it, and choosing many.
// Without it every part is a link or a form of its own.

const byId = (id) => document.getElementById(id);
const tiles = () => byId("tiles");
const TOAST_MS = 8000;
const NEAR = "1600px"; // of scrolling before the end, the next page is asked for

// --- the next page -----------------------------------------------------------------------------

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) htmx.trigger(entry.target, "near");
}, { rootMargin: NEAR });

function arrive() {
  for (const link of document.querySelectorAll(".tile [data-colour]")) {
    link.style.backgroundColor = link.dataset.colour;
  }
  const more = byId("older");
  if (more) near.observe(more);
  if (choosing) addTicks();
}

document.addEventListener("htmx:load", arrive);
document.addEventListener("htmx:afterRequest", (event) => {
  byId("offline").hidden = event.detail.xhr.status !== 0;
});

let returnTo = null; // the tile one left; with the page after it, it can stand where it stood

// Coming back finds the same place, even where the browser had to ask for the page again.
window.addEventListener("pagehide", () => {
  if (byId("lightbox").open || scrollY < innerHeight) return;
  const seen = [...tiles().children].find(
    (tile) => tile.id.startsWith("p") && tile.getBoundingClientRect().top > byId("q").offsetTop,
  );
  let before = seen;
  while (before && !before.dataset.start) before = before.previousElementSibling;
  const query = new URLSearchParams(location.search);
  for (const name of ["before", "after", "month"]) if (before) query.delete(name);
  if (before) query.set("before", before.dataset.start);
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

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "older") return;
  // The first of what comes in knows by which key it was asked for.
  pending = event.detail.target.dataset.before;
  previous = event.detail.target.previousElementSibling;
});

let pending = "";
let previous = null;

document.addEventListener("htmx:afterSwap", () => {
  if (!pending || !previous?.nextElementSibling) return;
  previous.nextElementSibling.dataset.start = pending;
  pending = "";
  returnTo?.scrollIntoView();
  returnTo = null;
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
  const answer = await fetch(address, { headers: { "HX-Request": "true" } });
  if (!answer.ok || !answer.headers.get("content-type")?.startsWith("text/html")) {
    location.assign(address); // the page itself says what is the matter
    return;
  }
  const had = lightbox.contains(document.activeElement) && document.activeElement.rel;
  byId("lightbox-stage").innerHTML = await answer.text();
  if (!byId("stage")) return location.assign(address);
  if (!lightbox.open) lightbox.showModal();
  document.dispatchEvent(new Event("stage"));
  document.title = byId("stage").dataset.title;
  (had && lightbox.querySelector(`[rel=${had}]`) || byId("stage-prompt")).focus();
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
  const stage = byId("stage");
  if (!stage) return;
  const tile = byId(`p${stage.dataset.picture}`);
  lightbox.close();
  byId("lightbox-stage").replaceChildren();
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
  const isTile = link.closest(".tile") && !choosing && link.getAttribute("href").startsWith("/pictures/");
  const isArrow = link.closest("#lightbox") && (link.matches(".arrow") || "turn" in link.dataset);
  if (!isTile && !isArrow && !(link.closest("#lightbox") && "close" in link.dataset)) return;
  event.preventDefault();
  if (isTile) open(link.href);
  else if (isArrow) turn(link.href, link.rel);
  else close();
});

// A press on one picture: done behind it, and shown where it stands.
lightbox.addEventListener("submit", (event) => {
  if (!("verb" in event.target.dataset)) return;
  event.preventDefault();
  const { target, submitter } = event;
  press(target.action, new FormData(target, submitter), submitter.id);
});

async function press(address, data, focus) {
  const headers = { "HX-Request": "true" };
  const answer = await fetch(address, { method: "POST", body: data, headers });
  if (answer.status === 401) return location.reload();
  byId("refused").hidden = answer.ok || answer.status === 422;
  if (!byId("refused").hidden) return;
  const { chosen } = JSON.parse(answer.headers.get("HX-Trigger") ?? "{}");
  if (chosen) apply(chosen);
  toast(await answer.text());
  if (!lightbox.open || !byId("stage")) return;
  if (chosen?.verb === "trash") return leave();
  await show(byId("stage").dataset.address);
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

document.addEventListener("submit", (event) => {
  if (!event.target.closest(".toast")) return;
  event.preventDefault();
  press(event.target.action, new FormData(event.target));
});

/** Show on the wall what a verb changed. What went to the trash is only hidden: it may come back. */
function apply({ verb, pictures }) {
  for (const pk of pictures) {
    const tile = byId(`p${pk}`);
    if (!tile) continue;
    if (verb === "trash" || verb === "restore") tile.hidden = verb === "trash";
    if (verb === "favourite") mark(tile, "heart");
    if (verb === "unfavourite") tile.querySelector(".heart")?.remove();
    if (verb === "private") mark(tile, "lock");
    if (verb === "share") tile.querySelector(".lock")?.remove();
    if (verb === "trash") tick(tile, false);
  }
  tell();
}

function mark(tile, name) {
  if (tile.querySelector(`.${name}`)) return;
  tile.insertAdjacentHTML("beforeend", `<svg class="icon ${name}"><use href="#icon-${name}"/></svg>`);
}

// --- choosing many -----------------------------------------------------------------------------

const form = byId("choose");
let choosing = !form.hidden;
let last = null; // the tile from which a range is drawn

const all = () => [...tiles()?.querySelectorAll(".tile[id]:not([hidden])") ?? []];
const ticks = () => all().filter((tile) => tile.querySelector(".tick")?.checked);

function addTicks() {
  for (const tile of all()) {
    if (tile.querySelector(".tick")) continue;
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", className: "tick", name: "picture" });
    box.value = tile.id.slice(1);
    box.setAttribute("form", "choose");
    box.setAttribute("aria-label", tile.querySelector("img").alt);
    tile.prepend(box);
  }
}

function choose(on) {
  choosing = on;
  form.hidden = !on;
  for (const button of form.querySelectorAll("button")) button.disabled = !on;
  byId("select").setAttribute("aria-pressed", String(on));
  tiles()?.classList.toggle("is-choosing", on);
  if (on) addTicks();
  else for (const box of document.querySelectorAll(".tick")) box.remove();
  byId("everything").checked = false;
  last = null;
  tell();
}

function tick(tile, on) {
  const box = tile.querySelector(".tick");
  if (box) box.checked = on;
}

/** How many, how large, and which verbs fit how many of them. */
function tell() {
  if (!choosing) return;
  const chosen = ticks();
  const whole = byId("everything").checked;
  const figure = byId("chosen-count");
  figure.textContent = whole
    ? byId("everything").parentElement.textContent.trim()
    : figure.dataset.words.replace("%n", chosen.length);
  const megabytes = chosen.reduce((sum, tile) => sum + Number(tile.dataset.kb), 0) / 1000;
  byId("chosen-size").textContent = whole || !chosen.length ? "" : `${megabytes.toFixed(megabytes < 10 ? 1 : 0)} MB`;
  byId("everything").parentElement.hidden = chosen.length < all().length || !byId("older") && !whole;
  const mine = chosen.filter((tile) => tile.matches(".mine")).length;
  for (const button of form.querySelectorAll("[data-fits]")) {
    const fits = button.dataset.fits === "mine" ? whole || mine > 0 : chosen.length > 1 && chosen.length < 5;
    button.hidden = !fits;
    const part = button.dataset.fits === "mine" && !whole && mine < chosen.length;
    button.dataset.part = part ? mine : "";
  }
}

byId("select").hidden = false;
byId("done").hidden = false;
byId("select").addEventListener("click", () => choose(!choosing));
byId("done").addEventListener("click", () => {
  choose(false);
  byId("select").focus();
});

tiles()?.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  if (!choosing && !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
  if (!choosing) {
    if (!event.shiftKey) return; // Ctrl opens a tab, as everywhere
    choose(true);
  }
  const box = tile.querySelector(".tick");
  if (event.target !== box) {
    event.preventDefault();
    box.checked = !box.checked;
  }
  if (event.shiftKey && last) range(last, tile, box.checked);
  last = tile;
  tell();
});

function range(one, other, on) {
  const order = all();
  const [a, b] = [order.indexOf(one), order.indexOf(other)].sort((x, y) => x - y);
  for (const tile of order.slice(a, b + 1)) tick(tile, on);
}

byId("everything").addEventListener("change", () => {
  for (const tile of all()) tick(tile, true);
  tell();
});

form.addEventListener("submit", (event) => {
  const { submitter } = event;
  if ("plain" in submitter.dataset) return;
  event.preventDefault();
  const data = new FormData(form, submitter);
  if (byId("everything").checked) data.delete("picture");
  press(submitter.getAttribute("formaction") ?? form.action, data);
  submitter.closest("details")?.removeAttribute("open");
});

document.addEventListener("keydown", (event) => {
  const off = document.documentElement.dataset.singleKeys === "off";
  if (off || lightbox.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not(.tick), textarea, select")) return;
  const tile = document.activeElement.closest?.(".tile");
  if (event.key === "Escape" && choosing) choose(false);
  if (event.key === "a" && choosing) {
    for (const each of all()) tick(each, true);
    tell();
  }
  if (event.key.toLowerCase() === "x" && tile) {
    event.preventDefault();
    if (!choosing) choose(true);
    const on = !tile.querySelector(".tick").checked;
    if (event.shiftKey && last) range(last, tile, true);
    else tick(tile, on);
    last = tile;
    tell();
  }
  if (tile && !choosing && (event.key === "f" || event.key === "Delete")) {
    const hasHeart = Boolean(tile.querySelector(".heart"));
    const verb = event.key === "Delete" ? "trash" : hasHeart ? "unfavourite" : "favourite";
    const data = new FormData(form);
    data.append("picture", tile.id.slice(1));
    const neighbour = tile.nextElementSibling?.querySelector("a");
    event.preventDefault();
    press(form.action.replace(/[^/]+$/, verb), data);
    if (verb === "trash") neighbour?.focus();
  }
}, { capture: true }); // before the keys of every page, which would take them for its own

arrive();
choose(choosing);
