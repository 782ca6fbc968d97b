// The overview refreshes in place. Not while the tab is hidden, or while a form in it is in use.

const isRefresh = (event) => event.detail.elt?.id === "overview";

function isInUse(overview) {
  return overview.contains(document.activeElement)
    && document.activeElement.closest("form, details") !== null
    || overview.querySelector("details[open]") !== null;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isRefresh(event) && (document.hidden || isInUse(event.detail.elt))) event.preventDefault();
});

// A form that was opened while the request was on its way stays.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (isRefresh(event) && isInUse(event.detail.elt)) event.detail.shouldSwap = false;
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) htmx.trigger("#overview", "refresh");
});
