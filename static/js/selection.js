// Selects images in the grid: by click, range, month, or everything that the filter matches; and
// updates the selection bar. Without scripts the checkboxes are part of the page (`?select`).

const byId = (id) => document.getElementById(id);
const grid = () => byId("tiles");
const MIN_COMPARED = 2;
const MAX_COMPARED = 4;
const bar = byId("bulk-bar");
const selectAll = byId("select-all");
let isSelecting = !bar.hidden;
let rangeStart = null; // the tile that was clicked last
let clickedMonth = null; // "select all" then means the rest of this month only

const allTiles = () => [...grid()?.querySelectorAll(".tile[id]:not([hidden])") ?? []];
const allMonths = () => [...grid()?.querySelectorAll(".month") ?? []];
const selectedTiles = () => allTiles().filter((tile) => tile.querySelector(".select-box")?.checked);

// --- checkboxes --------------------------------------------------------------------------------

function addCheckboxes() {
  for (const tile of allTiles()) {
    if (tile.querySelector(".select-box")) continue;
    const box = createCheckbox(tile.querySelector("img").alt);
    Object.assign(box, { name: "picture", value: tile.id.slice(1) });
    box.setAttribute("form", "bulk-bar");
    tile.prepend(box);
  }
  for (const month of allMonths()) {
    if (month.querySelector(".select-box")) continue;
    month.prepend(createCheckbox(allOfMonth(month)));
  }
}

function createCheckbox(label) {
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", className: "select-box", ariaLabel: label });
  return box;
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
    if (next.matches(".tile[id]:not([hidden])")) found.push(next);
    next = next.nextElementSibling;
  }
  return found;
}

function setSelecting(isOn) {
  isSelecting = isOn;
  bar.hidden = !isOn;
  for (const button of bar.querySelectorAll("button")) button.disabled = !isOn;
  byId("select").setAttribute("aria-pressed", String(isOn));
  grid()?.classList.toggle("is-selecting", isOn);
  if (isOn) addCheckboxes();
  else for (const box of document.querySelectorAll(".select-box")) box.remove();
  selectAll.checked = false;
  rangeStart = null;
  updateBar();
}

function setChecked(tile, isOn) {
  const box = tile.querySelector(".select-box");
  if (box) box.checked = isOn;
}

function selectRange(from, to, isOn) {
  const order = allTiles();
  const [start, end] = [order.indexOf(from), order.indexOf(to)].sort((a, b) => a - b);
  for (const tile of order.slice(start, end + 1)) setChecked(tile, isOn);
}

// --- the selection bar -------------------------------------------------------------------------

/** Once everything loaded is selected, offer the rest: of the last month, or of all results. */
function updateSelectAll(selected) {
  const label = byId("select-all-label");
  const lastMonth = allMonths().at(-1);
  const lastTiles = lastMonth ? tilesOf(lastMonth) : [];
  const isAll = selected.length === allTiles().length;
  const isMonth = lastTiles.length > 0
    && (!isAll || lastMonth === clickedMonth)
    && lastTiles.length === selected.length
    && lastTiles.every((tile) => selected.includes(tile));
  const isOffered = selected.length > 0 && byId("older") && (isAll || isMonth);
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
  kilobytes < 1000 ? `${kilobytes} KB` : `${(kilobytes / 1000).toFixed(kilobytes < 10_000 ? 1 : 0)} MB`;

/** Show the number and size of the selection, and the actions that apply to it. */
function updateBar() {
  if (!isSelecting) return;
  const selected = selectedTiles();
  updateSelectAll(selected);
  const isAll = selectAll.checked;
  const count = byId("selected-count");
  count.textContent = isAll
    ? byId("select-all-label").textContent
    : count.dataset.label.replace("%n", selected.length);
  const kilobytes = selected.reduce((sum, tile) => sum + Number(tile.dataset.kb), 0);
  byId("selected-size").textContent = isAll || !selected.length ? "" : formatSize(kilobytes);
  for (const month of allMonths()) {
    month.querySelector(".select-box").checked = tilesOf(month).every((tile) => selected.includes(tile));
  }
  const changeable = selected.filter((tile) => tile.matches(".is-changeable")).length;
  const isComparable = selected.length >= MIN_COMPARED && selected.length <= MAX_COMPARED;
  for (const button of bar.querySelectorAll("[data-requires]")) {
    const requiresChangeable = button.dataset.requires === "changeable";
    button.hidden = !(requiresChangeable ? isAll || changeable > 0 : isComparable);
    button.dataset.part = requiresChangeable && !isAll && changeable < selected.length ? changeable : "";
  }
}

document.addEventListener("pictures-loaded", () => {
  if (isSelecting) addCheckboxes();
  updateBar();
});

document.addEventListener("pictures-changed", () => {
  for (const tile of grid()?.querySelectorAll(".tile[hidden]") ?? []) setChecked(tile, false);
  updateBar();
});

function requestAction(url, data) {
  document.dispatchEvent(new CustomEvent("bulk-action-requested", { detail: { url, data } }));
}

// --- mouse -------------------------------------------------------------------------------------

byId("select").disabled = false;
byId("done").hidden = false;
byId("select").addEventListener("click", () => setSelecting(!isSelecting));
byId("done").addEventListener("click", () => {
  setSelecting(false);
  byId("select").focus();
});

grid()?.addEventListener("change", (event) => {
  const month = event.target.closest(".month");
  if (!month) return;
  for (const tile of tilesOf(month)) setChecked(tile, event.target.checked);
  clickedMonth = event.target.checked ? month : null;
  updateBar();
});

grid()?.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  if (!isSelecting) {
    if (!event.shiftKey) return; // a Ctrl click opens a new tab
    setSelecting(true);
  }
  const box = tile.querySelector(".select-box");
  if (event.target !== box) {
    event.preventDefault();
    box.checked = !box.checked;
  }
  if (event.shiftKey && rangeStart) selectRange(rangeStart, tile, box.checked);
  rangeStart = tile;
  updateBar();
});

selectAll.addEventListener("change", updateBar);

bar.addEventListener("submit", (event) => {
  const { submitter } = event;
  if ("plain" in submitter.dataset) return;
  event.preventDefault();
  const data = new FormData(bar, submitter);
  if (selectAll.checked) data.delete("picture");
  requestAction(submitter.getAttribute("formaction") ?? bar.action, data);
  submitter.closest("details")?.removeAttribute("open");
});

// --- keyboard ----------------------------------------------------------------------------------

// From shortcuts.js, before it looks for a control with this key.
document.addEventListener("shortcut", (event) => {
  if (handleShortcut(event.detail)) event.preventDefault();
});

/** Returns whether the key did anything. */
function handleShortcut(key) {
  const tile = document.activeElement.closest(".tile");
  if (key === "a" && isSelecting) selectLoaded();
  else if (tile && (key === "x" || key === "Shift+x")) toggleTile(tile, key === "Shift+x");
  else if (tile && !isSelecting && (key === "f" || key === "Delete")) runKeyAction(tile, key);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !isSelecting) return;
  if (document.querySelector("dialog:modal") || event.target.matches("input:not(.select-box)")) return;
  setSelecting(false);
});

function selectLoaded() {
  clickedMonth = null;
  for (const tile of allTiles()) setChecked(tile, true);
  updateBar();
}

function toggleTile(tile, isRange) {
  if (!isSelecting) setSelecting(true);
  const isOn = !tile.querySelector(".select-box").checked;
  if (isRange && rangeStart) selectRange(rangeStart, tile, true);
  else setChecked(tile, isOn);
  rangeStart = tile;
  updateBar();
}

/** `f` toggles the favourite of the focused tile, Delete moves it to the trash. */
function runKeyAction(tile, key) {
  const isFavourite = Boolean(tile.querySelector(".heart"));
  const action = key === "Delete" ? "trash" : isFavourite ? "unfavourite" : "favourite";
  const data = new FormData(bar);
  data.append("picture", tile.id.slice(1));
  const neighbour = tile.nextElementSibling?.querySelector("a");
  requestAction(bar.action.replace(/[^/]+$/, action), data);
  if (action === "trash") neighbour?.focus();
}

setSelecting(isSelecting);
