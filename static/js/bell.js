// The bell in the header: opens the list of notifications below it. On phones, and without this
// script, it is a link to the page of notifications.

const bell = document.getElementById("bell");
const list = document.getElementById("notifications");
const HTMX_HEADERS = { "HX-Request": "true" }; // the server then sends only the list
const WIDE = matchMedia("(min-width: 700px)");

let wasOpen = false; // a press on the bell closes the open list before the click arrives
bell.addEventListener("pointerdown", () => (wasOpen = list?.matches(":popover-open") ?? false));

bell.addEventListener("click", async (event) => {
  if (!list || !WIDE.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const isClosing = wasOpen || list.matches(":popover-open");
  wasOpen = false;
  if (isClosing) return list.hidePopover();
  const response = await load(bell.href);
  if (response) list.showPopover();
});

/** Show the list of this address. Leaves to the page itself what it cannot show. */
async function load(url, options = {}) {
  const response = await fetch(url, { ...options, headers: HTMX_HEADERS }).catch(() => null);
  if (!response?.ok || response.redirected) {
    location.assign(bell.href);
    return null;
  }
  list.innerHTML = await response.text();
  for (const image of list.querySelectorAll("[data-colour]")) {
    image.style.backgroundColor = image.dataset.colour;
  }
  return response;
}

list?.addEventListener("toggle", ({ newState }) => {
  bell.ariaExpanded = String(newState === "open");
  if (newState === "open") list.querySelector("a, button")?.focus();
  else if (list.contains(document.activeElement)) bell.focus();
});

// "Mark all as read"
list?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(event.target);
  if (!(await load(event.target.action, { method: "POST", body: data }))) return;
  document.getElementById("unread-dot").replaceChildren();
  (list.querySelector("a") ?? bell).focus();
});

if (list) bell.ariaExpanded = "false";
