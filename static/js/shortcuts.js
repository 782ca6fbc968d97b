// Single keys, on every page of a member. A template says which control a key presses:
//
//   data-shortcut="f"        the key presses this button, link or summary; a field gets the focus
//   data-shortcut="Shift+x"  the same with Shift
//   data-shortcut="g s"      two keys, one after the other
//   data-item           on a card, or on the link of a picture: what `j` and `k` go to
//
// Of many such controls the nearest to the focus is meant: `d` on a picture is for this picture, on
// its card for all of them. What stands in an item is pressed from within that item only, and while
// a modal dialog is open, what stands in the dialog. Keys are off inside fields, and wherever the
// member wants none (`data-single-key-shortcuts="off"` on <html>).

const ITEM = "[data-item]";
const FIRST_KEY = "g";
const SECOND_KEY_MS = 1500;
const PRESSED = ["checkbox", "radio", "button", "submit"].map((type) => `[type="${type}"]`);
const FIELD = `textarea, select, [contenteditable], input:not(${PRESSED})`;

const list = document.getElementById("shortcuts");
const modal = () => document.querySelector("dialog:modal");
let firstAt = -Infinity;

document.addEventListener("keydown", (event) => {
  const isOff = document.documentElement.dataset.singleKeyShortcuts === "off";
  const isOthers = event.defaultPrevented || event.isComposing;
  if (isOff || isOthers || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.target.matches?.(FIELD) ? "" : nameOf(event);
  if (key && press(key, event.repeat)) event.preventDefault();
});

/** Characters and Delete; all other keys are the browser's. */
function nameOf({ key, shiftKey }) {
  if (key === "Delete") return key;
  if ([...key].length !== 1 || key === " ") return "";
  const small = key.toLowerCase();
  return shiftKey && small !== key ? `Shift+${small}` : small;
}

function press(key, isHeld) {
  const isSecond = performance.now() - firstAt < SECOND_KEY_MS;
  firstAt = -Infinity;
  if (!isSecond && key === FIRST_KEY) {
    firstAt = performance.now();
    return true;
  }
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (isHeld) return false;
  if (key === "?") return toggleList();
  return use(isSecond ? nearest(`${FIRST_KEY} ${key}`, document.body) : nearest(key));
}

function use(control) {
  if (!control) return false;
  if (control.matches(FIELD)) control.focus();
  else control.click();
  return true;
}

function nearest(name, top = modal() ?? document.body) {
  const focused = document.activeElement;
  for (let place = top.contains(focused) ? focused : top; ; place = place.parentElement) {
    const item = place.closest(ITEM);
    const controls = [place, ...place.querySelectorAll("[data-shortcut]")];
    const found = controls.find(
      (one) => one.dataset.shortcut === name && one.closest(ITEM) === item && !one.disabled,
    );
    if (found || place === top) return found;
  }
}

// --- from item to item ---------------------------------------------------------------------------

function step(by) {
  const items = [...(modal() ?? document).querySelectorAll(ITEM)];
  const here = items.indexOf(document.activeElement.closest(ITEM));
  const next = here < 0 ? firstInView(items) : items[here + by];
  if (next) (next.matches("a") ? next : next.querySelector("a, [tabindex]")).focus();
  return items.length > 0;
}

function firstInView(items) {
  const header = document.querySelector(".header").offsetHeight;
  return items.find((item) => item.getBoundingClientRect().bottom > header);
}

// --- the list of all keys --------------------------------------------------------------------------

function toggleList() {
  if (list.open) list.close();
  else list.showModal();
  return true;
}

document.getElementById("open-shortcuts").addEventListener("click", toggleList);

// A press beside the list closes it; so does a link in it, so that its target can take the focus.
list.addEventListener("click", (event) => {
  if (event.target === list || event.target.closest("a")) list.close();
});

// --- menus close as menus do -----------------------------------------------------------------------

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
