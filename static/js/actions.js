// Sends actions on images in the background and shows the answer as a toast, so that nothing moves.
// Without scripts each form works on its own and the answer is a message on the next page.
//
//   <form data-action>               is sent by this script; its button gets the focus back
//   "bulk-action-requested"          another script asks for an action: { url, data }
//   "action-done"                    tells what was changed: { change, focusId }; `change` has
//                                    `action` and `pictures`, or is undefined. A listener that sets
//                                    `next` leaves for that page, which shows the toast

const byId = (id) => document.getElementById(id);
const TOAST_KEY = "klingweb-toast"; // of a toast for the next page
// The server then sends only the toast.
const HEADERS = { "HX-Request": "true", "HX-Target": "toast" };

let lastAction = Promise.resolve();

/** One after the other: the answer to the second may depend on the first. */
function runAction(url, data, focusId = "") {
  lastAction = lastAction.then(() => send(url, data, focusId));
}

async function send(url, data, focusId) {
  let response;
  try {
    response = await fetch(url, { method: "POST", body: data, headers: HEADERS });
  } catch {
    byId("offline").hidden = false;
    return;
  }
  if (response.status === 401) return location.reload();
  byId("offline").hidden = true;
  byId("refused").hidden = response.ok || response.status === 422;
  if (!byId("refused").hidden) return;
  const change = JSON.parse(response.headers.get("HX-Trigger") ?? "{}")["pictures-changed"];
  const toast = await response.text();
  const detail = { change, focusId, next: "" };
  document.dispatchEvent(new CustomEvent("action-done", { detail }));
  if (!detail.next) return toast && showToast(toast);
  sessionStorage.setItem(TOAST_KEY, toast);
  if (detail.next === location.href) location.reload();
  else location.assign(detail.next);
}

document.addEventListener("bulk-action-requested", ({ detail }) => runAction(detail.url, detail.data));

document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (!("action" in target.dataset) && !target.closest(".toast")) return;
  event.preventDefault();
  const url = submitter?.getAttribute("formaction") ?? target.action;
  runAction(url, new FormData(target, submitter), submitter?.id);
});

/** Show the message with its undo button. It leaves by itself (toast.js). */
function showToast(html) {
  byId(byId("lightbox")?.open ? "lightbox-toast" : "toast").innerHTML = html;
}

const toastOfLastPage = sessionStorage.getItem(TOAST_KEY);
sessionStorage.removeItem(TOAST_KEY);
if (toastOfLastPage) showToast(toastOfLastPage);
