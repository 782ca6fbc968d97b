// Keyboard shortcuts, on every page of a signed-in member. Templates declare them:
//
//   data-shortcut="f"        the key clicks this button, link or summary, or focuses this field
//   data-shortcut="Shift+x"  the same with Shift
//   data-shortcut="g s"      two keys in sequence
//   data-item                on a card or an image link: `j` and `k` move between these
//
// If several controls have the same shortcut, the one nearest to the focus is used: `d` on an image
// downloads that image, on its card all of them. A control inside an item works only while the focus
// is in that item, and while a modal dialog is open only controls in the dialog work. Shortcuts are
// off in text fields, and when the member turned them off (`data-single-key-shortcuts="off"` on
// <html>).

const ITEM = "[data-item]";
const PREFIX_KEY = "g";
const SEQUENCE_TIMEOUT_MS = 1500;
const BUTTON_TYPES = ["checkbox", "radio", "button", "submit"].map((type) => `[type="${type}"]`);
const TEXT_FIELD = `textarea, select, [contenteditable], input:not(${BUTTON_TYPES})`;

const dialog = document.getElementById("shortcuts");
const openModal = () => document.querySelector("dialog:modal");
let prefixPressedAt = -Infinity;

document.addEventListener("keydown", (event) => {
  const isOff = document.documentElement.dataset.singleKeyShortcuts === "off";
  const isHandled = event.defaultPrevented || event.isComposing;
  if (isOff || isHandled || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.target.matches?.(TEXT_FIELD) ? "" : keyName(event);
  if (key && handleKey(key, event.repeat)) event.preventDefault();
});

/** "x", "Shift+x" or "Delete"; "" for keys that are left to the browser. */
function keyName({ key, shiftKey }) {
  if (key === "Delete") return key;
  if ([...key].length !== 1 || key === " ") return "";
  const lowerCase = key.toLowerCase();
  return shiftKey && lowerCase !== key ? `Shift+${lowerCase}` : lowerCase;
}

/** Returns whether the key did anything. */
function handleKey(key, isRepeat) {
  const isSecondKey = performance.now() - prefixPressedAt < SEQUENCE_TIMEOUT_MS;
  prefixPressedAt = -Infinity;
  if (!isSecondKey && key === PREFIX_KEY) {
    prefixPressedAt = performance.now();
    return true;
  }
  if (key === "j" || key === "k") return moveFocus(key === "j" ? 1 : -1);
  if (isRepeat) return false;
  if (key === "?") return toggleDialog();
  return activate(
    isSecondKey ? nearestControl(`${PREFIX_KEY} ${key}`, document.body) : nearestControl(key),
  );
}

function activate(control) {
  if (!control) return false;
  if (control.matches(TEXT_FIELD)) control.focus();
  else control.click();
  return true;
}

/** Searches the focused element, then each of its ancestors up to `root`. */
function nearestControl(shortcut, root = openModal() ?? document.body) {
  const focused = document.activeElement;
  for (let scope = root.contains(focused) ? focused : root; ; scope = scope.parentElement) {
    const item = scope.closest(ITEM);
    const candidates = [scope, ...scope.querySelectorAll("[data-shortcut]")];
    const control = candidates.find(
      (candidate) =>
        candidate.dataset.shortcut === shortcut &&
        candidate.closest(ITEM) === item &&
        !candidate.disabled,
    );
    if (control || scope === root) return control;
  }
}

// --- moving between items ------------------------------------------------------------------------

function moveFocus(offset) {
  const items = [...(openModal() ?? document).querySelectorAll(ITEM)];
  const index = items.indexOf(document.activeElement.closest(ITEM));
  const next = index < 0 ? firstInView(items) : items[index + offset];
  if (next) (next.matches("a") ? next : next.querySelector("a, [tabindex]")).focus();
  return items.length > 0;
}

function firstInView(items) {
  const headerHeight = document.querySelector(".header").offsetHeight;
  return items.find((item) => item.getBoundingClientRect().bottom > headerHeight);
}

// --- the list of shortcuts -----------------------------------------------------------------------

function toggleDialog() {
  if (dialog.open) dialog.close();
  else dialog.showModal();
  return true;
}

document.getElementById("open-shortcuts").addEventListener("click", toggleDialog);

// A click on the backdrop closes the dialog. So does a link in it, so that the link's target can
// take the focus.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("a")) dialog.close();
});

// --- menus: close on a click outside and on Escape -----------------------------------------------

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
