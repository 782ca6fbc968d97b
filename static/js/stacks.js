// Opens the images of a stack in a row of their own, right under the row of its tile. Without scripts
// the badge of the tile is a link to the page with the open row.

const byId = (id) => document.getElementById(id);
const grid = byId("tiles");
const HTMX_HEADERS = { "HX-Request": "true" };
const tileOfStack = () => grid.querySelector(`:scope > .tile[data-row="${byId("stack")?.dataset.row}"]`);

/** The last element in the tile's row of the grid. */
function endOfRow(tile) {
  let last = tile;
  for (let next = tile.nextElementSibling; next?.offsetTop === tile.offsetTop; next = next.nextElementSibling) {
    last = next;
  }
  return last;
}

/** Run a change of the layout so that the element stays where it is on the screen. */
function keepInPlace(element, change) {
  const top = element.getBoundingClientRect().top;
  change();
  scrollBy({ top: element.getBoundingClientRect().top - top, behavior: "instant" });
}

function removeRow() {
  const filler = byId("stack")?.previousElementSibling;
  if (filler?.matches(".filler")) filler.remove();
  byId("stack")?.remove();
  for (const badge of grid.querySelectorAll(".badge[aria-expanded=true]")) badge.ariaExpanded = "false";
}

async function open(badge, isByKey) {
  const tile = badge.closest(".tile");
  const query = new URL(badge.href).search;
  const response = await fetch(`${grid.dataset.stacks}${tile.dataset.row}/${query}`, { headers: HTMX_HEADERS });
  if (!response.ok) return location.assign(badge.href);
  const html = await response.text();
  keepInPlace(tile, () => {
    removeRow();
    endOfRow(tile).insertAdjacentHTML("afterend", html);
    badge.ariaExpanded = "true";
  });
  document.dispatchEvent(new Event("pictures-loaded"));
  byId("stack").scrollIntoView({ block: "nearest", behavior: "instant" });
  if (isByKey) byId("stack-prompt").focus({ preventScroll: true });
}

function close() {
  const tile = tileOfStack();
  const hadFocus = byId("stack").contains(document.activeElement);
  keepInPlace(tile ?? grid, removeRow);
  if (hadFocus) tile?.querySelector(".badge").focus({ preventScroll: true });
}

grid?.addEventListener("click", (event) => {
  const badge = event.target.closest(".badge");
  const isClose = event.target.closest("#close-stack");
  if (!(badge || isClose) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation(); // selection.js would select the tile
  if (isClose || badge.ariaExpanded === "true") close();
  else open(badge, event.detail === 0);
}, { capture: true });

grid?.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches(".badge")) return;
  event.preventDefault();
  event.target.click();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !grid || !byId("stack")) return;
  if (document.querySelector("dialog:modal") || event.target.matches("input:not([type=checkbox])")) return;
  event.preventDefault();
  close();
});

// Rows break elsewhere in a window of another width.
let width = innerWidth;
addEventListener("resize", () => {
  const tile = grid && innerWidth !== width && tileOfStack();
  width = innerWidth;
  if (tile) endOfRow(tile).after(byId("stack"));
});
if (grid && tileOfStack()) {
  const tile = tileOfStack();
  tile.querySelector(".badge").ariaExpanded = "true";
  if (byId("stack").previousElementSibling.matches(".filler")) byId("stack").previousElementSibling.remove();
  endOfRow(tile).after(byId("stack"));
}
