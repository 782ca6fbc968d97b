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
// <html>). Scripts of a page can take a key first: the event "shortcut" has its name as `detail`, and
// canceling the event stops the search for a control.

const ITEM = "[data-item]";
const PREFIX_KEY = "g";
const SEQUENCE_TIMEOUT_MS = 1500;
const BUTTON_TYPES = ["checkbox", "radio", "button", "submit"].map((type) => `[type="${type}"]`);
const TEXT_FIELD = `textarea, select, [contenteditable], input:not(${BUTTON_TYPES})`;

const dialog = document.getElementById("shortcuts");
const search = document.getElementById("search");
/** The dialog on top: the search may be over the lightbox. */
const openModal = () => (search.open ? search : document.querySelector("dialog:modal"));
const mayOpenSearch = () => !openModal() || openModal().id === "lightbox";
let prefixPressedAt = -Infinity;

// While an input method composes a word, its keys are not commands: no script of the page sees them.
// At the end of a word Safari sends the key without `isComposing`, only with the key code 229.
window.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) event.stopImmediatePropagation();
}, { capture: true });

document.addEventListener("keydown", (event) => {
  const isOff = document.documentElement.dataset.singleKeyShortcuts === "off";
  if (isOff || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.target.matches?.(TEXT_FIELD) ? "" : keyName(event);
  if (key && handleKey(key, event.repeat)) event.preventDefault();
});

/** "x", "Shift+x" or "Delete"; "" for keys that are left to the browser. */
function keyName(event) {
  if (event.key === "Delete") return event.key;
  const character = latinCharacter(event);
  if (character === " ") return "";
  const lowerCase = character.toLowerCase();
  return event.shiftKey && lowerCase !== character ? `Shift+${lowerCase}` : lowerCase;
}

const NAMED_KEY = /^[A-Za-z0-9]{2,}$/; // "Enter", "F5"
const LATIN = /^[\p{ASCII}\p{Script=Latin}]$/u;

/** The character typed; on a layout without Latin letters the one at this place of a US keyboard. */
function latinCharacter({ key, code, shiftKey }) {
  if (LATIN.test(key)) return key;
  if (NAMED_KEY.test(key)) return "";
  if (code === "Slash") return shiftKey ? "?" : "/";
  const [, letter] = /^Key([A-Z])$/.exec(code) ?? [, ""];
  return shiftKey ? letter : letter.toLowerCase();
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
  if (!isSecondKey && isTakenByPage(key)) return true;
  const control = isSecondKey ? nearestControl(`${PREFIX_KEY} ${key}`, document.body) : nearestControl(key);
  return activate(control) || (key === "/" && mayOpenSearch() && openSearch());
}

function isTakenByPage(key) {
  if (openModal()) return false;
  return !document.dispatchEvent(new CustomEvent("shortcut", { detail: key, cancelable: true }));
}

function activate(control) {
  if (!control) return false;
  if (control.matches(TEXT_FIELD)) control.focus();
  else control.click();
  if (control.matches("summary")) control.focus();
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
        !candidate.disabled &&
        !candidate.hidden,
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

// --- search --------------------------------------------------------------------------------------
// The dialog opens at once, so that no letter is lost. Its script is loaded with the first opening.

function openSearch() {
  if (!search.open) {
    search.showModal();
    search.querySelector("input").select(); // before anything is typed
  }
  import(search.dataset.script).then(({ refresh }) => refresh(search));
  return true;
}

document.addEventListener("keydown", (event) => {
  const isCtrlK = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  if (!isCtrlK || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  openSearch();
});

document.getElementById("open-search").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openSearch();
});

search.addEventListener("click", (event) => {
  if (event.target === search || event.target.closest("[data-close]")) search.close();
});

// --- menus: close on a click outside and on Escape -----------------------------------------------

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Escape closes one layer: the menu, and only at the next press the dialog or the selection below.
document.addEventListener("keydown", (event) => {
  const root = openModal() ?? document;
  const menu = event.key === "Escape" && root.querySelector("details.menu[open]");
  if (!menu) return;
  event.preventDefault();
  menu.open = false;
  menu.querySelector("summary").focus();
});
