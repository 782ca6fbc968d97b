// The overview refreshes in place. Not while the tab is hidden, or while a form in it is in use.

const isRefresh = (event) => event.detail.elt?.id === "overview";
const links = (selector) => [...document.querySelectorAll(`#overview ${selector}`)];
let focused; // the control that has the focus while the page is replaced

function isInUse(overview) {
  const active = document.activeElement;
  return overview.contains(active) && active.closest("form, details") !== null
    || overview.querySelector("details[open]") !== null
    || [...overview.querySelectorAll("form input")].some((each) => each.value !== each.defaultValue);
}

function describe(active) {
  if (active.id) return { selector: `#${active.id}`, index: 0 };
  const selector = `a[href="${active.getAttribute("href")}"]`;
  return { selector, index: links(selector).indexOf(active) };
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isRefresh(event) && (document.hidden || isInUse(event.detail.elt))) event.preventDefault();
});

// A form that was opened while the request was on its way stays.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isRefresh(event)) return;
  const overview = event.detail.elt;
  if (isInUse(overview)) event.detail.shouldSwap = false;
  const hasFocus = overview.contains(document.activeElement);
  focused = hasFocus ? describe(document.activeElement) : undefined;
});

// The focus stays on its link; where that is gone, it goes to the heading.
document.addEventListener("htmx:afterSwap", () => {
  if (!focused || document.querySelector("#overview").contains(document.activeElement)) return;
  const same = links(focused.selector);
  (same[focused.index] ?? same[0] ?? links("h1")[0]).focus({ preventScroll: true });
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) htmx.trigger("#overview", "refresh");
});
