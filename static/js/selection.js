// Choosing many pictures of a wall, by a press, a range, a month, or all that the filter shows; and
// the bar that says what fits how many of them. Without it the ticks are part of the page (`?select`).

const byId = (id) => document.getElementById(id);
const tiles = () => byId("tiles");
const form = byId("bulk-bar");
let choosing = !form.hidden;
let last = null; // the tile from which a range is drawn
let pressedMonth = null; // whose own tick was pressed: the rest of it is meant, not of everything

const all = () => [...tiles()?.querySelectorAll(".tile[id]:not([hidden])") ?? []];
const ticks = () => all().filter((tile) => tile.querySelector(".select-box")?.checked);

function addTicks() {
  for (const tile of all()) {
    if (tile.querySelector(".select-box")) continue;
    const box = tickBox(tile.querySelector("img").alt);
    Object.assign(box, { name: "picture", value: tile.id.slice(1) });
    box.setAttribute("form", "bulk-bar");
    tile.prepend(box);
  }
  for (const month of tiles()?.querySelectorAll(".month") ?? []) {
    if (month.querySelector(".select-box")) continue;
    month.prepend(tickBox(byId("select-all-label").dataset.month.replace("%m", nameOf(month))));
  }
}

function tickBox(label) {
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", className: "select-box", ariaLabel: label });
  return box;
}

const nameOf = (month) => month.querySelector("h2").textContent;

/** The tiles that hang under a month's heading so far. */
function tilesOf(month) {
  const found = [];
  for (let next = month.nextElementSibling; next && !next.matches(".month"); ) {
    if (next.matches(".tile[id]:not([hidden])")) found.push(next);
    next = next.nextElementSibling;
  }
  return found;
}

function choose(on) {
  choosing = on;
  form.hidden = !on;
  for (const button of form.querySelectorAll("button")) button.disabled = !on;
  byId("select").setAttribute("aria-pressed", String(on));
  tiles()?.classList.toggle("is-choosing", on);
  if (on) addTicks();
  else for (const box of document.querySelectorAll(".select-box")) box.remove();
  byId("select-all").checked = false;
  last = null;
  tell();
}

function tick(tile, on) {
  const box = tile.querySelector(".select-box");
  if (box) box.checked = on;
}

/** What is not loaded yet can be meant too, once all that is loaded is chosen: of a month, or of all. */
function offerTheRest(chosen) {
  const everything = byId("select-all");
  const words = byId("select-all-label");
  const last = [...tiles()?.querySelectorAll(".month") ?? []].at(-1);
  const lasts = last ? tilesOf(last) : [];
  const isAll = chosen.length === all().length;
  const isMonth = lasts.length > 0 && (!isAll || last === pressedMonth) && lasts.length === chosen.length && lasts.every((tile) => chosen.includes(tile));
  const offered = chosen.length > 0 && byId("older") && (isAll || isMonth);
  everything.parentElement.hidden = !offered;
  if (!offered) everything.checked = false;
  everything.value = isMonth ? within(last) : everything.dataset.query;
  words.textContent = isMonth ? words.dataset.month.replace("%m", nameOf(last)) : words.dataset.label;
}

/** The address of what is shown now, narrowed to one month. */
function within(month) {
  const query = new URLSearchParams(byId("select-all").dataset.query);
  const [year, number] = month.id.split("-").slice(1);
  const day = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const [first, last] = [`${year}-${number}-01`, `${year}-${number}-${day}`];
  if (!(query.get("since") > first)) query.set("since", first);
  if (!query.has("until") || query.get("until") > last) query.set("until", last);
  return query.toString();
}

const sizeOf = (kilobytes) =>
  kilobytes < 1000 ? `${kilobytes} KB` : `${(kilobytes / 1000).toFixed(kilobytes < 10_000 ? 1 : 0)} MB`;

/** How many, how large, and which verbs fit how many of them. */
function tell() {
  if (!choosing) return;
  const chosen = ticks();
  offerTheRest(chosen);
  const whole = byId("select-all").checked;
  const figure = byId("selected-count");
  figure.textContent = whole
    ? byId("select-all-label").textContent
    : figure.dataset.label.replace("%n", chosen.length);
  const kilobytes = chosen.reduce((sum, tile) => sum + Number(tile.dataset.kb), 0);
  byId("selected-size").textContent = whole || !chosen.length ? "" : sizeOf(kilobytes);
  for (const month of tiles()?.querySelectorAll(".month") ?? []) {
    month.querySelector(".select-box").checked = tilesOf(month).every((tile) => chosen.includes(tile));
  }
  const mine = chosen.filter((tile) => tile.matches(".mine")).length;
  for (const button of form.querySelectorAll("[data-requires]")) {
    const fits = button.dataset.requires === "mine" ? whole || mine > 0 : chosen.length > 1 && chosen.length < 5;
    button.hidden = !fits;
    const part = button.dataset.requires === "mine" && !whole && mine < chosen.length;
    button.dataset.part = part ? mine : "";
  }
}

document.addEventListener("arrived", () => {
  if (choosing) addTicks();
  tell();
});

document.addEventListener("changed", () => {
  for (const tile of tiles()?.querySelectorAll(".tile[hidden]") ?? []) tick(tile, false);
  tell();
});

function press(address, data) {
  document.dispatchEvent(new CustomEvent("press", { detail: { address, data } }));
}

byId("select").hidden = false;
byId("done").hidden = false;
byId("select").addEventListener("click", () => choose(!choosing));
byId("done").addEventListener("click", () => {
  choose(false);
  byId("select").focus();
});

tiles()?.addEventListener("change", (event) => {
  const month = event.target.closest(".month");
  if (!month) return;
  for (const tile of tilesOf(month)) tick(tile, event.target.checked);
  pressedMonth = event.target.checked ? month : null;
  tell();
});

tiles()?.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  if (!choosing && !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
  if (!choosing) {
    if (!event.shiftKey) return; // Ctrl opens a tab, as everywhere
    choose(true);
  }
  const box = tile.querySelector(".select-box");
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

byId("select-all").addEventListener("change", tell);

form.addEventListener("submit", (event) => {
  const { submitter } = event;
  if ("plain" in submitter.dataset) return;
  event.preventDefault();
  const data = new FormData(form, submitter);
  if (byId("select-all").checked) data.delete("picture");
  press(submitter.getAttribute("formaction") ?? form.action, data);
  submitter.closest("details")?.removeAttribute("open");
});

document.addEventListener("keydown", (event) => {
  const off = document.documentElement.dataset.singleKeyShortcuts === "off";
  if (off || byId("lightbox").open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not(.select-box), textarea, select")) return;
  const tile = document.activeElement.closest?.(".tile");
  if (event.key === "Escape" && choosing) choose(false);
  if (event.key === "a" && choosing) {
    pressedMonth = null;
    for (const each of all()) tick(each, true);
    tell();
  }
  if (event.key.toLowerCase() === "x" && tile) {
    event.preventDefault();
    if (!choosing) choose(true);
    const on = !tile.querySelector(".select-box").checked;
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

choose(choosing);
