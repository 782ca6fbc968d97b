// Arranges a collection by dragging with a mouse, pen or finger, or by keyboard: Space on the handle
// of an image picks it up, arrow keys move it, Enter drops it, Escape puts it back. Each drop is one
// request, which names only the image and the one behind it, so that two people can arrange at once.
// Without scripts the arrow buttons are part of a form.

const byId = (id) => document.getElementById(id);
const form = byId("arrange");
const list = byId("items");
const MIN_DRAG_PIXELS = 6;
const SCROLL_ZONE_PIXELS = 80;
const SCROLL_STEP_PIXELS = 14; // a frame

const items = () => [...list.children];
const idOf = (item) => item?.id.slice(1);

// --- saving --------------------------------------------------------------------------------------

/** By actions.js, which sends one request after the other. */
function request(name, picture, fields = {}) {
  const data = new FormData(form);
  data.set(name, picture);
  for (const field in fields) data.set(field, fields[field]);
  const detail = { url: form.action, data };
  document.dispatchEvent(new CustomEvent("bulk-action-requested", { detail }));
}

function savePlace(item) {
  request("move", idOf(item), { before: idOf(item.nextElementSibling) ?? list.dataset.following });
}

/** Put the item in front of another one (null: at the end), with its focus. */
function place(item, before) {
  const focused = item.contains(document.activeElement) && document.activeElement;
  list.insertBefore(item, before);
  if (focused) focused.focus({ preventScroll: true });
}

function announce(item, text = "") {
  const number = items().indexOf(item) + 1;
  const where = list.dataset.place.replace("%n", number).replace("%m", list.children.length);
  byId("announcer").textContent = `${text} ${where}`.trim();
}

// --- pointer -------------------------------------------------------------------------------------

let drag = null; // { item, before, x, y, ghost }
let wasDragged = false; // the click that ends a drag must not open the image

list.addEventListener("click", (event) => wasDragged && event.preventDefault(), { capture: true });

list.addEventListener("pointerdown", (event) => {
  const { target, pointerType, button, isPrimary } = event;
  const isGrip = target.closest(".handle") || (pointerType !== "touch" && target.closest(".cover"));
  if (!isGrip || button || !isPrimary) return;
  const item = target.closest(".item");
  wasDragged = false;
  drag = { item, before: item.nextElementSibling, x: event.clientX, y: event.clientY, ghost: null };
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const distance = Math.hypot(event.clientX - drag.x, event.clientY - drag.y);
  if (!drag.ghost && distance < MIN_DRAG_PIXELS) return;
  if (!drag.ghost) startDrag(event.pointerId);
  Object.assign(drag, { x: event.clientX, y: event.clientY });
  followPointer();
});

function startDrag(pointerId) {
  dropGrabbed();
  wasDragged = true;
  list.setPointerCapture(pointerId); // the grip itself leaves the page for a moment when it moves
  drag.ghost = drag.item.querySelector("img").cloneNode();
  drag.ghost.removeAttribute("id");
  drag.ghost.className = "drag-ghost";
  document.body.append(drag.ghost);
  drag.item.classList.add("is-dragged");
  requestAnimationFrame(scrollAtEdge);
}

function followPointer() {
  drag.ghost.style.translate = `${drag.x}px ${drag.y}px`;
  const target = document.elementFromPoint(drag.x, drag.y)?.closest("#items > .item");
  if (!target || target === drag.item) return;
  const isLater = drag.item.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING;
  place(drag.item, isLater ? target.nextElementSibling : target);
}

function scrollAtEdge() {
  if (!drag) return;
  const top = document.querySelector(".header").offsetHeight + SCROLL_ZONE_PIXELS;
  if (drag.y < top) scrollBy(0, -SCROLL_STEP_PIXELS);
  if (drag.y > innerHeight - SCROLL_ZONE_PIXELS) scrollBy(0, SCROLL_STEP_PIXELS);
  followPointer();
  requestAnimationFrame(scrollAtEdge);
}

function endDrag(isDropped) {
  if (!drag) return;
  const { item, before, ghost } = drag;
  drag = null;
  if (!ghost) return;
  ghost.remove();
  item.classList.remove("is-dragged");
  if (!isDropped) return place(item, before);
  if (item.nextElementSibling === before) return;
  savePlace(item);
  announce(item, list.dataset.dropped);
}

document.addEventListener("pointerup", () => endDrag(true));
document.addEventListener("pointercancel", () => endDrag(false));

// --- keyboard ------------------------------------------------------------------------------------

let grabbed = null; // { item, before }

function grab(item) {
  grabbed = { item, before: item.nextElementSibling };
  showGrabbed(item, true);
  announce(item, list.dataset.picked);
}

function showGrabbed(item, isGrabbed) {
  item.classList.toggle("is-grabbed", isGrabbed);
  item.querySelector(".handle").setAttribute("aria-pressed", String(isGrabbed));
}

function dropGrabbed() {
  if (!grabbed) return;
  const { item, before } = grabbed;
  grabbed = null;
  showGrabbed(item, false);
  announce(item, list.dataset.dropped);
  if (item.nextElementSibling !== before) savePlace(item);
}

function returnGrabbed() {
  const { item, before } = grabbed;
  grabbed = null;
  showGrabbed(item, false);
  place(item, before);
  announce(item, list.dataset.returned);
}

/** The number of places that a key moves an image; undefined for other keys. */
function stepsOf(key) {
  const [first] = items();
  const columns = items().findIndex((item) => item.offsetTop > first.offsetTop);
  const row = columns < 0 ? list.children.length : columns;
  return {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row, Home: -Infinity, End: Infinity,
  }[key];
}

function moveBy(item, steps) {
  const others = items().filter((each) => each !== item);
  const index = Math.max(items().indexOf(item) + steps, 0);
  place(item, others[index] ?? null);
  item.scrollIntoView({ block: "nearest" });
  announce(item);
}

list.addEventListener("keydown", (event) => {
  const handle = event.target.closest(".handle");
  if (!handle) return;
  const steps = grabbed && stepsOf(event.key);
  if (event.key === " " || event.key === "Enter") {
    if (grabbed) dropGrabbed();
    else grab(handle.closest(".item"));
  } else if (steps) moveBy(grabbed.item, steps);
  else if (event.key === "Escape" && grabbed) returnGrabbed();
  else return;
  event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") endDrag(false);
});

list.addEventListener("focusout", ({ relatedTarget }) => {
  if (grabbed && relatedTarget && !grabbed.item.contains(relatedTarget)) dropGrabbed();
});

// --- buttons -------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, value } = event.submitter;
  const item = byId(`p${value}`);
  if (name !== "earlier" && name !== "later") return request(name, value);
  moveBy(item, name === "earlier" ? -1 : 1);
  savePlace(item);
});

const removed = new Map(); // by id: the item and the one behind it

document.addEventListener("action-done", ({ detail }) => {
  const { action, pictures = [] } = detail.change ?? {};
  if (action === "gone") detail.next = location.href; // somebody has changed the collection
  if (action === "remove") remove(byId(`p${pictures[0]}`));
  if (action === "collect") for (const pk of pictures) bringBack(String(pk));
  if (action !== "cover") return;
  for (const button of list.querySelectorAll("[name=cover]")) {
    button.setAttribute("aria-pressed", String(button.value === String(pictures[0])));
  }
});

function remove(item) {
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  removed.set(idOf(item), { item, before: item.nextElementSibling });
  item.remove();
  neighbour?.querySelector("[name=remove]").focus();
}

function bringBack(pk) {
  if (!removed.has(pk)) return;
  const { item, before } = removed.get(pk);
  list.insertBefore(item, before?.isConnected ? before : null);
  item.querySelector("[name=remove]").focus();
}
