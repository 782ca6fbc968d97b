// The filters of the gallery: addresses without empty fields; on phones one sheet with all filters,
// whose button says how many images it will show. Without scripts the sheet opens by its address.

const byId = (id) => document.getElementById(id);
const PHONE = matchMedia("(max-width: 699px)"); // as in gallery.css
const DRAG_TO_CLOSE = 80; // pixels
const form = byId("filter-form");
const filters = byId("filters");
const sheet = byId("filter-sheet");
const opener = byId("open-filters");
const title = byId("filters-title");
const showButton = byId("show-count");
let needsReload = false;

form.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

// --- the sheet ---------------------------------------------------------------------------------

function open() {
  showButton.textContent = showButton.dataset.label.trim();
  sheet.append(filters);
  sheet.showModal();
  title.focus();
}

opener.addEventListener("click", (event) => {
  event.preventDefault();
  open();
});
opener.addEventListener("keydown", (event) => {
  if (event.key !== " ") return;
  event.preventDefault();
  open();
});

// The sheet covers its dialog: a click on the dialog itself is one on the dimmed page.
sheet.addEventListener("click", (event) => {
  if (event.target === sheet || event.target.closest("#close-filters, [data-month]")) sheet.close();
  if (event.target.closest("#close-filters")) event.preventDefault();
});

sheet.addEventListener("close", () => {
  opener.after(filters);
  opener.focus();
  if (needsReload) location.reload();
  else form.reset();
});

PHONE.addEventListener("change", () => sheet.close());
addEventListener("pagehide", () => sheet.close()); // closed on the way back to this page

// --- dragged down ------------------------------------------------------------------------------

let dragStart = null;

byId("sheet-head").addEventListener("pointerdown", (event) => {
  if (!sheet.open || event.target.closest("a")) return;
  dragStart = event.clientY;
  event.currentTarget.setPointerCapture(event.pointerId);
});
byId("sheet-head").addEventListener("pointermove", (event) => {
  if (dragStart !== null) sheet.style.translate = `0 ${Math.max(0, event.clientY - dragStart)}px`;
});
for (const name of ["pointerup", "pointercancel"]) {
  byId("sheet-head").addEventListener(name, (event) => {
    if (dragStart === null) return;
    const isFar = name === "pointerup" && event.clientY - dragStart > DRAG_TO_CLOSE;
    dragStart = null;
    sheet.style.translate = "";
    if (isFar) sheet.close();
  });
}

// --- what it will show -------------------------------------------------------------------------

let counting = new AbortController();

form.addEventListener("change", async () => {
  if (!sheet.open) return;
  counting.abort();
  counting = new AbortController();
  try {
    const query = new URLSearchParams(new FormData(form));
    const response = await fetch(`${form.dataset.counts}?${query}`, { signal: counting.signal });
    if (!response.ok) return;
    const counts = new DOMParser().parseFromString(await response.text(), "text/html");
    showButton.textContent = counts.getElementById("show-count").textContent.trim();
  } catch (error) {
    if (error.name !== "AbortError") showButton.textContent = showButton.dataset.fallback;
  }
});

// In the sheet a press on "Stacks" is stored, and seen when the sheet closes.
byId("show-stacks").addEventListener("click", async (event) => {
  if (!sheet.open) return;
  event.preventDefault();
  const button = event.currentTarget;
  const data = new FormData(button.form, button);
  const response = await fetch(button.form.action, { method: "POST", body: data, redirect: "manual" });
  if (response.type !== "opaqueredirect") return location.reload();
  needsReload = true;
  button.ariaPressed = String(button.value === "1");
  button.value = button.value === "1" ? "0" : "1";
});
