// Controls on the tile under the pointer or with the keyboard's focus: select, favourite and a menu.
// There is one set of them, which moves from tile to tile. selection.js runs the actions, which it
// gets as the event "tile-action". Touch has a long press instead.

const byId = (id) => document.getElementById(id);
const HOVER_MS = 150;
const GAP = 6; // pixels between the button and the menu
const grid = byId("tiles");
const tools = byId("tile-tools").content.firstElementChild.cloneNode(true);
const menu = byId("tile-menu");
const moreButton = tools.querySelector("[data-tool=more]");
let hoverTimeout = 0;
let tile = null; // that has the controls

const isMenuOpen = () => menu.matches(":popover-open");
const isInUse = () => isMenuOpen() || tools.querySelector(":focus-visible") !== null;

function show(next) {
  if (tile === next || isMenuOpen() || grid.matches(".is-selecting")) return;
  tile = next;
  tile.append(tools);
  updateFavourite();
}

function hide() {
  clearTimeout(hoverTimeout);
  if (isInUse()) return;
  tools.remove();
  tile = null;
}

function updateFavourite() {
  const button = tools.querySelector("[data-tool=favourite]");
  button.ariaPressed = String(Boolean(tile?.querySelector(".heart")));
}

grid?.addEventListener("pointerover", (event) => {
  const next = event.target.closest(".tile[data-images]");
  if (event.pointerType !== "mouse" || !next || next === tile) return;
  clearTimeout(hoverTimeout);
  hoverTimeout = setTimeout(() => !isInUse() && show(next), HOVER_MS);
});
grid?.addEventListener("pointerout", (event) => {
  if (!event.relatedTarget?.closest?.(".tile")) hide();
});
grid?.addEventListener("focusin", (event) => {
  const next = event.target.closest(".tile[data-images]");
  if (next && event.target.matches(":focus-visible")) show(next);
});
document.addEventListener("pictures-changed", updateFavourite);

// --- the controls ------------------------------------------------------------------------------

tools.addEventListener("click", (event) => {
  const name = event.target.closest("[data-tool]")?.dataset.tool;
  if (name === "more") isMenuOpen() ? menu.hidePopover() : openMenu();
  else if (name) request(name);
});

function request(name) {
  const target = tile;
  if (name === "select") {
    tools.remove();
    tile = null;
    target.querySelector(":scope > a").focus({ preventScroll: true });
  }
  target.dispatchEvent(new CustomEvent("tile-action", { bubbles: true, detail: name }));
}

function openMenu() {
  const ids = { row: tile.dataset.row, picture: tile.id.slice(1) };
  for (const link of menu.querySelectorAll("[data-href]")) {
    link.href = link.dataset.href.replace(/\b0\b/, ids[link.dataset.of]);
  }
  for (const item of menu.querySelectorAll("[data-changeable]")) item.hidden = !tile.matches(".is-changeable");
  menu.showPopover();
  const button = moreButton.getBoundingClientRect();
  const top = button.bottom + GAP + menu.offsetHeight > innerHeight
    ? Math.max(GAP, button.top - GAP - menu.offsetHeight)
    : button.bottom + GAP;
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(GAP, button.right - menu.offsetWidth)}px`;
  menu.querySelector("a, button").focus();
}

menu.addEventListener("toggle", (event) => {
  moreButton.ariaExpanded = String(event.newState === "open");
});

menu.addEventListener("click", (event) => {
  const item = event.target.closest("a, button");
  if (!item) return;
  menu.hidePopover();
  if (item.dataset.tool === "copy") copyLink();
  else if (item.dataset.tool) request(item.dataset.tool);
});

async function copyLink() {
  const link = new URL(tile.querySelector(":scope > a").href);
  await navigator.clipboard.writeText(link.origin + link.pathname);
  document.dispatchEvent(new CustomEvent("toast", { detail: menu.dataset.copied }));
}
menu.querySelector("[data-tool=copy]").hidden = !navigator.clipboard;

// Before other scripts: Escape closes the menu and nothing else.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isMenuOpen()) {
    event.preventDefault();
    menu.hidePopover();
    moreButton.focus();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && isMenuOpen()) {
    event.preventDefault();
    const items = [...menu.querySelectorAll("a, button")].filter((item) => !item.hidden);
    const offset = event.key === "ArrowDown" ? 1 : -1;
    items.at((items.indexOf(document.activeElement) + offset) % items.length).focus();
  }
}, { capture: true });
addEventListener("scroll", () => isMenuOpen() && menu.hidePopover(), { passive: true });
