// Toasts: answers of the server that came with the page, and those of scripts. A script shows one
// with the event "toast", whose detail is its text, or writes it into a container. Each leaves by
// itself. Also "Copy link", which answers by a toast.

const TOAST_MS = 8000;
const byId = (id) => document.getElementById(id);

/** In an open dialog the toast has to be inside it, to be above its backdrop. */
function container() {
  const inDialog = document.querySelector("dialog:modal > [id$=toast]");
  if (inDialog || byId("toast")) return inDialog ?? byId("toast");
  const created = Object.assign(document.createElement("div"), { id: "toast", role: "status" });
  document.body.append(created);
  observe(created);
  return created;
}

const timeouts = new WeakMap();

/** Each new toast has its full time, whoever wrote it: this script, actions.js or htmx. */
function observe(element) {
  const observer = new MutationObserver(() => element.firstChild && removeLater(element));
  observer.observe(element, { childList: true });
}

for (const element of document.querySelectorAll("#toast, #lightbox-toast")) observe(element);

/** Remove its content after a while, but not while it is hovered or focused. */
function removeLater(element) {
  clearTimeout(timeouts.get(element));
  const timeout = setTimeout(() => {
    if (element.matches(":hover, :focus-within")) removeLater(element);
    else element.replaceChildren();
  }, TOAST_MS);
  timeouts.set(element, timeout);
}

function showToast(text) {
  const toast = Object.assign(document.createElement("div"), { className: "toast" });
  toast.append(Object.assign(document.createElement("p"), { textContent: text }));
  container().replaceChildren(toast);
}

document.addEventListener("toast", ({ detail }) => showToast(detail));

const messages = document.querySelector(".messages:not(:has(.is-error))");
if (messages) removeLater(messages);

// --- copy link -----------------------------------------------------------------------------------

// Without scripts, or where the browser allows no copying, it is a link to the address.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-copy-link]");
  if (!link || !navigator.clipboard || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation(); // a lightbox would follow it
  try {
    await navigator.clipboard.writeText(link.href);
    showToast(link.dataset.done);
  } catch {
    location.assign(link.href);
  }
}, { capture: true });
