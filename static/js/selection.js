// Selects images in the grid: by click, range, month, or everything that the filter matches; and
// updates the selection bar. A closed stack is selected with all its images. Without scripts the
// checkboxes are part of the page (`?select`).

const byId = (id) => document.getElementById(id);
const grid = byId("tiles");
const MIN_COMPARED = 2;
const MAX_COMPARED = 4;
const LONG_PRESS_MS = 500;
const LONG_PRESS_PIXELS = 10; // a finger that moves further scrolls
const bar = byId("bulk-bar");
const note = byId("selection-note");
const selectAll = byId("select-all");
const labelOfNone = byId("selected-count").textContent;
const selected = new Map(); // id of a picture -> { kilobytes, isChangeable }
let isSelecting = !bar.hidden;
let rangeStart = null; // the tile that was clicked last
let clickedMonth = null; // "select all" then means the rest of this month only

const allTiles = () => [...grid?.querySelectorAll(".tile[data-images]:not([hidden])") ?? []];
const gridTiles = () => allTiles().filter((tile) => tile.parentElement === grid);
const allMonths = () => [...grid?.querySelectorAll(".month") ?? []];
const imagesOf = (tile) => tile.dataset.images.split(" ");
const isSelected = (tile) => imagesOf(tile).every((pk) => selected.has(pk));
const fill = (text, numbers) => text.replace(/%(\w)/g, (_all, name) => numbers[name]);

function select(tile, isOn) {
  for (const pk of imagesOf(tile)) {
    if (isOn) {
      const kilobytes = Number(tile.dataset.kb);
      selected.set(pk, { kilobytes, isChangeable: tile.matches(".is-changeable") });
    } else selected.delete(pk);
  }
}

// --- checkboxes --------------------------------------------------------------------------------

function addCheckboxes() {
  for (const tile of allTiles()) {
    if (!tile.querySelector(".select-box")) tile.prepend(createCheckbox(tile.querySelector("img").alt));
  }
  for (const month of allMonths()) {
    if (!month.querySelector(".select-box")) month.prepend(createCheckbox(allOfMonth(month)));
  }
}

function createCheckbox(label) {
  const box = document.createElement("input");
  return Object.assign(box, { type: "checkbox", className: "select-box", ariaLabel: label });
}

/** Show what is selected. A stack of which some images are selected is neither on nor off. */
function updateCheckboxes() {
  for (const tile of allTiles()) {
    const box = tile.querySelector(".select-box");
    if (!box) continue;
    box.checked = isSelected(tile);
    box.indeterminate = !box.checked && imagesOf(tile).some((pk) => selected.has(pk));
  }
  for (const month of allMonths()) {
    month.querySelector(".select-box").checked = tilesOf(month).every(isSelected);
  }
}

/** "All of November" */
function allOfMonth(month) {
  const name = month.querySelector("h2").textContent;
  return byId("select-all-label").dataset.month.replace("%m", name);
}

/** The loaded tiles of a month. */
function tilesOf(month) {
  const found = [];
  for (let next = month.nextElementSibling; next && !next.matches(".month"); ) {
    if (next.matches(".tile[data-images]:not([hidden])")) found.push(next);
    next = next.nextElementSibling;
  }
  return found;
}

function setSelecting(isOn) {
  isSelecting = isOn;
  bar.hidden = !isOn;
  for (const button of bar.querySelectorAll("button")) button.disabled = !isOn;
  byId("select").setAttribute("aria-pressed", String(isOn));
  grid?.classList.toggle("is-selecting", isOn);
  selected.clear();
  if (isOn) addCheckboxes();
  else for (const box of document.querySelectorAll(".select-box")) box.remove();
  selectAll.checked = false;
  rangeStart = null;
  updateBar();
}

function selectRange(from, to, isOn) {
  const order = allTiles();
  const [start, end] = [order.indexOf(from), order.indexOf(to)].sort((a, b) => a - b);
  for (const tile of order.slice(start, end + 1)) select(tile, isOn);
}

// --- the selection bar -------------------------------------------------------------------------

/** Once everything loaded is selected, offer the rest: of the last month, or of all results. */
function updateSelectAll() {
  const label = byId("select-all-label");
  const lastMonth = allMonths().at(-1);
  const lastTiles = lastMonth ? tilesOf(lastMonth) : [];
  const isAll = gridTiles().every(isSelected);
  const isMonth = lastTiles.length > 0
    && (!isAll || lastMonth === clickedMonth)
    && lastTiles.every(isSelected)
    && lastTiles.flatMap(imagesOf).length === selected.size;
  const isOffered = selected.size > 0 && byId("older") && (isAll || isMonth);
  selectAll.parentElement.hidden = !isOffered;
  if (!isOffered) selectAll.checked = false;
  selectAll.value = isMonth ? queryOfMonth(lastMonth) : selectAll.dataset.query;
  label.textContent = isMonth ? allOfMonth(lastMonth) : label.dataset.label;
}

/** The query string of the page, limited to one month. */
function queryOfMonth(month) {
  const query = new URLSearchParams(selectAll.dataset.query);
  const [year, number] = month.id.split("-").slice(1);
  const day = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const [first, last] = [`${year}-${number}-01`, `${year}-${number}-${day}`];
  if (!(query.get("since") > first)) query.set("since", first);
  if (!query.has("until") || query.get("until") > last) query.set("until", last);
  return query.toString();
}

const formatSize = (kilobytes) =>
  kilobytes < 1000 ? `${kilobytes} KB` : `${formatNumber(kilobytes / 1000, kilobytes < 10_000 ? 1 : 0)} MB`;
const formatNumber = (number, digits) =>
  number.toLocaleString(document.documentElement.lang, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });

/** Show the number and size of the selection, and the actions that apply to it. */
function updateBar() {
  if (!isSelecting) return;
  updateCheckboxes();
  updateSelectAll();
  const isAll = selectAll.checked;
  const isNone = !isAll && !selected.size;
  bar.classList.toggle("is-empty", isNone);
  for (const button of bar.querySelectorAll("button:not(#done)")) button.disabled = isNone;
  const count = byId("selected-count");
  count.textContent = isNone ? labelOfNone : isAll
    ? byId("select-all-label").textContent
    : fill(count.dataset.label, { n: selected.size });
  const kilobytes = [...selected.values()].reduce((sum, image) => sum + image.kilobytes, 0);
  byId("selected-size").textContent = isAll || !selected.size ? "" : formatSize(kilobytes);
  const changeable = [...selected.values()].filter((image) => image.isChangeable).length;
  const isPart = !isAll && changeable > 0 && changeable < selected.size;
  note.textContent = isPart ? fill(note.dataset.partly, { n: changeable, m: selected.size }) : "";
  const isComparable = selected.size >= MIN_COMPARED && selected.size <= MAX_COMPARED;
  for (const button of bar.querySelectorAll("[data-requires]")) {
    const requiresChangeable = button.dataset.requires === "changeable";
    button.hidden = !(requiresChangeable ? isAll || changeable > 0 : isComparable);
    button.dataset.part = requiresChangeable && isPart ? changeable : "";
  }
}

/** Say that a press on a closed stack has selected more than the image that it shows. */
function sayStack(tile) {
  const { length } = imagesOf(tile);
  if (length > 1 && isSelected(tile)) note.textContent = fill(note.dataset.stack, { n: length });
}

document.addEventListener("pictures-loaded", () => {
  if (isSelecting) addCheckboxes();
  updateBar();
});

document.addEventListener("pictures-changed", () => {
  const shown = new Set(allTiles().flatMap(imagesOf));
  for (const pk of selected.keys()) if (!shown.has(pk)) selected.delete(pk);
  updateBar();
});

// The toast is above the bar, however many lines the bar has.
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--bulk-bar", `${bar.offsetHeight}px`);
}).observe(bar);

function requestAction(url, data) {
  document.dispatchEvent(new CustomEvent("bulk-action-requested", { detail: { url, data } }));
}

// The selection, not the checkboxes: an image of a closed stack has none.
bar.addEventListener("formdata", ({ formData }) => {
  formData.delete("picture");
  if (!selectAll.checked) for (const pk of selected.keys()) formData.append("picture", pk);
});

// --- mouse -------------------------------------------------------------------------------------

byId("select").disabled = false;
byId("done").hidden = false;
byId("select").addEventListener("click", () => setSelecting(!isSelecting));
byId("done").addEventListener("click", () => {
  setSelecting(false);
  byId("select").focus();
});

grid?.addEventListener("change", (event) => {
  const month = event.target.closest(".month");
  if (!month) return;
  for (const tile of tilesOf(month)) select(tile, event.target.checked);
  clickedMonth = event.target.checked ? month : null;
  updateBar();
});

grid?.addEventListener("click", (event) => {
  if (event.target.id === "select-stack") return selectTiles([...byId("stack").querySelectorAll(".tile")]);
  const tile = event.target.closest(".tile");
  if (!tile || event.target.closest(".tile-tools")) return;
  if (!isSelecting && !event.shiftKey) return; // a Ctrl click opens a new tab
  if (!event.target.matches(".select-box")) event.preventDefault();
  toggleTile(tile, event.shiftKey);
});

selectAll.addEventListener("change", updateBar);

bar.addEventListener("submit", (event) => {
  const { submitter } = event;
  if ("plain" in submitter.dataset) return;
  event.preventDefault();
  requestAction(submitter.getAttribute("formaction") ?? bar.action, new FormData(bar, submitter));
  submitter.closest("details")?.removeAttribute("open");
});

// Enter in a field would press the first button of the form, which is the download.
bar.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key !== "Enter" || event.isComposing || !target.matches("input[name=name], input[name=tag]")) return;
  event.preventDefault();
  bar.requestSubmit(target.closest(".menu-list").querySelector(".button"));
});

// --- touch: a long press selects ---------------------------------------------------------------

let pressTimeout = 0;
let pressStart = null;
let wasLongPress = false;

grid?.addEventListener("pointerdown", (event) => {
  clearTimeout(pressTimeout);
  wasLongPress = false;
  const tile = event.target.closest(".tile[data-images]");
  pressStart = event.pointerType === "touch" && tile ? event : null;
  if (!pressStart) return;
  pressTimeout = setTimeout(() => {
    wasLongPress = true;
    toggleTile(tile, false);
    navigator.vibrate?.(10);
  }, LONG_PRESS_MS);
});

grid?.addEventListener("pointermove", (event) => {
  const { clientX, clientY } = pressStart ?? event;
  if (Math.hypot(event.clientX - clientX, event.clientY - clientY) > LONG_PRESS_PIXELS) clearTimeout(pressTimeout);
});
for (const name of ["pointerup", "pointercancel"]) {
  grid?.addEventListener(name, () => clearTimeout(pressTimeout));
}

grid?.addEventListener("contextmenu", (event) => {
  if (pressStart) event.preventDefault(); // the menu of the link
});

// The click at the end of a long press would undo it.
grid?.addEventListener("click", (event) => {
  if (!wasLongPress) return;
  wasLongPress = false;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });

// --- keyboard ----------------------------------------------------------------------------------

// From shortcuts.js, before it looks for a control with this key.
document.addEventListener("shortcut", (event) => {
  if (handleShortcut(event.detail)) event.preventDefault();
});

/** Returns whether the key did anything. */
function handleShortcut(key) {
  const tile = document.activeElement.closest(".tile[data-images]");
  if (key === "a" && isSelecting) selectTiles(gridTiles());
  else if (tile && (key === "x" || key === "Shift+x")) toggleTile(tile, key === "Shift+x");
  else if (tile && !isSelecting && (key === "f" || key === "Delete")) runTileAction(tile, key === "f" ? "favourite" : "trash");
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !isSelecting) return;
  if (document.querySelector("dialog:modal") || event.target.matches("input:not(.select-box)")) return;
  event.stopImmediatePropagation(); // an open stack stays until the next press
  setSelecting(false);
});

function selectTiles(tiles) {
  if (!isSelecting) setSelecting(true);
  clickedMonth = null;
  for (const tile of tiles) select(tile, true);
  updateBar();
}

function toggleTile(tile, isRange) {
  if (!isSelecting) setSelecting(true);
  const isOn = !isSelected(tile);
  if (isRange && rangeStart) selectRange(rangeStart, tile, isOn);
  else select(tile, isOn);
  rangeStart = tile;
  updateBar();
  sayStack(tile);
}

/** Toggle the favourite of the image that a tile shows, or move all its images to the trash. */
function runTileAction(tile, name) {
  const isTrash = name === "trash";
  const action = isTrash ? name : tile.querySelector(".heart") ? "unfavourite" : "favourite";
  const data = new FormData(bar);
  data.delete("picture");
  for (const pk of isTrash ? imagesOf(tile) : [tile.id.slice(1)]) data.append("picture", pk);
  const neighbour = tile.nextElementSibling?.querySelector("a");
  requestAction(bar.action.replace(/[^/]+$/, action), data);
  if (isTrash) neighbour?.focus();
}

// From the controls on a tile.
document.addEventListener("tile-action", ({ target, detail }) => {
  if (detail === "select") return toggleTile(target, false);
  if (detail !== "collect") return runTileAction(target, detail);
  selectTiles([target]);
  bar.querySelector("[data-shortcut=c]").click();
});

setSelecting(isSelecting);
