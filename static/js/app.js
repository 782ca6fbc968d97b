// Refreshes the open cards of a page: one request for all, none while the tab is hidden.

const byId = (id) => document.getElementById(id);
const openCards = () => [...document.querySelectorAll("article[data-open]")];
const isPoll = (event) => event.detail.elt?.id === "poller";
const MAX_CARDS = 50;
const HIDDEN_INTERVAL_MS = 15_000;

// --- the request ------------------------------------------------------------------------------

let failures = 0;
let retryAt = 0;
let polledAt = 0;

document.addEventListener("htmx:configRequest", (event) => {
  if (!isPoll(event)) return;
  // Read at the time of the request, so that a card added meanwhile is included.
  const cards = openCards().slice(0, MAX_CARDS);
  const stamps = cards.map((card) => `${card.id.replace("generation-", "")}.${card.dataset.stamp}`);
  event.detail.parameters.k = stamps.join(",");
  event.detail.parameters.p = byId("poller").dataset.pageStamp;
  if (document.hidden) event.detail.parameters.hidden = "1"; // what ends now is not seen
});

// htmx's trigger filters need eval, which our content security policy forbids.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!isPoll(event)) return;
  if (isPaused() || Date.now() < retryAt) event.preventDefault();
  else polledAt = Date.now();
});

/** Hidden tabs do not poll, or rarely if the member wants to be notified. */
function isPaused() {
  const { sound, notifications } = byId("announcer").dataset;
  const wantsNotification = sound !== undefined || notifications !== undefined;
  return document.hidden && !(wantsNotification && Date.now() - polledAt > HIDDEN_INTERVAL_MS);
}

function pollNow() {
  if (!document.hidden && byId("poller")) htmx.trigger("#poller", "refresh");
}

let endedUnseen = []; // stamps of cards that ended while the tab was hidden

/** Their notifications become read once the tab is visible again. */
function reportSeen() {
  if (document.hidden || !endedUnseen.length) return;
  const query = new URLSearchParams({ k: endedUnseen.join(",") });
  endedUnseen = [];
  htmx.ajax("GET", `${byId("poller").dataset.changes}?${query}`, { target: "#unread-dot", swap: "none" });
}

document.addEventListener("visibilitychange", pollNow);
document.addEventListener("action-done", pollNow); // an undo may have canceled a card
document.addEventListener("visibilitychange", reportSeen);
// Restored from the back/forward cache.
window.addEventListener("pageshow", (event) => event.persisted && pollNow());

document.addEventListener("htmx:afterRequest", (event) => {
  const isOffline = event.detail.xhr.status === 0;
  const isRefused = event.detail.failed && !isOffline;
  failures = event.detail.failed ? failures + 1 : 0;
  retryAt = isPoll(event) && failures ? Date.now() + 1000 * Math.min(60, 2 ** failures) : 0;
  byId("offline").hidden = !isOffline;
  byId("refused").hidden = !isRefused || isPoll(event);
});

// --- the response ----------------------------------------------------------------------------

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const replacement = fragment.firstElementChild;
  if (target.matches("article")) beforeCardSwap(target, replacement);
  if (target.id === "poller" && !shouldSwapPoller(target, replacement)) event.detail.shouldSwap = false;
});

document.addEventListener("htmx:beforeSwap", (event) => keepFocus(event.detail.target));

function shouldSwapPoller(poller, replacement) {
  // An equal one would only restart the interval.
  if (replacement.dataset.pageStamp === poller.dataset.pageStamp) return false;
  // The request may be older than the newest card: keep polling while a card is open.
  return Boolean(replacement.dataset.hxGet) || !openCards().length;
}

function beforeCardSwap(card, replacement) {
  keepFocus(card);
  if (replacement.dataset.state !== card.dataset.state) {
    announce(replacement.dataset.announcement, SUCCESS_STATES.includes(replacement.dataset.state));
  }
  if (document.hidden && !("open" in replacement.dataset)) endedUnseen.push(`${card.id.replace("generation-", "")}.0`);
  for (const image of replacement.querySelectorAll("img")) {
    if (!byId(image.id)) image.classList.add("is-new");
  }
}

/** htmx restores the focus by id; if the control is gone, focus the heading of its card. */
function keepFocus(card) {
  if (!card.matches("article") || !card.contains(document.activeElement)) return;
  queueMicrotask(() => {
    if (document.activeElement === document.body) byId(`${card.id}-title`)?.focus();
  });
}

// --- announcements -----------------------------------------------------------------------------

const SUCCESS_STATES = ["succeeded", "short"];
const ANNOUNCE_MS = 2000; // collects what ends at about the same time
let sentences = [];
let allSucceeded = true;

function announce(sentence, isSuccess) {
  if (!sentence) return;
  if (!sentences.length) setTimeout(speak, ANNOUNCE_MS);
  sentences.push(sentence);
  allSucceeded &&= isSuccess;
}

function speak() {
  const announcer = byId("announcer");
  announcer.textContent = sentences.join(". ");
  if ("sound" in announcer.dataset) playSound(allSucceeded);
  if ("notifications" in announcer.dataset && document.hidden) notify(announcer.textContent);
  [sentences, allSucceeded] = [[], true];
}

/** Two tones: rising for success, falling if a generation failed. */
function playSound(isSuccess) {
  const context = new AudioContext();
  const volume = new GainNode(context, { gain: 0.08 });
  volume.connect(context.destination);
  for (const [step, frequency] of (isSuccess ? [660, 880] : [440, 330]).entries()) {
    const tone = new OscillatorNode(context, { frequency });
    tone.connect(volume);
    tone.start(context.currentTime + step * 0.16);
    tone.stop(context.currentTime + step * 0.16 + 0.14);
    if (step) tone.onended = () => context.close();
  }
}

function notify(text) {
  if (window.Notification?.permission !== "granted") return;
  const notification = new Notification("klingweb", { body: text, tag: "klingweb" });
  notification.onclick = () => window.focus();
}

const title = document.title.replace(/^\(\d+\) /, "");
let openCount = 0;

function updateTitle() {
  const before = openCount;
  openCount = Number(byId("open-count")?.dataset.count);
  if (before && !openCount) {
    document.title = `${byId("announcer").dataset.ready} - ${title}`;
    setTimeout(updateTitle, 5000);
  } else {
    document.title = openCount ? `(${openCount}) ${title}` : title;
  }
}

// --- favourites --------------------------------------------------------------------------------

// Sent in the background; the button changes after a successful response.
document.addEventListener("submit", async (event) => {
  if (event.target.id !== "favourite-form") return;
  event.preventDefault();
  const { target, submitter } = event;
  const response = await fetch(submitter.getAttribute("formaction") ?? target.action, {
    method: "POST",
    body: new FormData(target, submitter),
    headers: { "HX-Request": "true" },
  });
  if (response.status === 401) return location.reload();
  byId("refused").hidden = response.ok;
  if (!response.ok) return;
  const isOn = submitter.getAttribute("aria-pressed") !== "true";
  submitter.setAttribute("aria-pressed", String(isOn));
  const nextAction = isOn ? "unfavourite" : "favourite";
  submitter.setAttribute("formaction", target.action.replace(/\w+$/, nextAction));
  const answer = new DOMParser().parseFromString(await response.text(), "text/html");
  document.dispatchEvent(new CustomEvent("toast", { detail: answer.querySelector("p").textContent }));
});

// --- time and colour -------------------------------------------------------------------------

const started = new WeakMap();

function formatDuration(seconds) {
  const { hours, minutes, secondsOnly } = byId("announcer").dataset;
  const total = Math.floor(seconds / 60);
  const pattern = total >= 60 ? hours : total ? minutes : secondsOnly;
  const values = { h: Math.floor(total / 60), m: total % 60, s: seconds % 60 };
  return pattern.replace(/\{(\w)\}/g, (_match, name) => values[name]);
}

function tick() {
  for (const element of document.querySelectorAll("[data-seconds]")) {
    if (!started.has(element)) started.set(element, performance.now());
    const elapsed = (performance.now() - started.get(element)) / 1000;
    element.textContent = formatDuration(Math.floor(Number(element.dataset.seconds) + elapsed));
  }
  for (const scale of document.querySelectorAll("[data-scale]")) {
    if (!started.has(scale)) started.set(scale, performance.now());
    const elapsed = (performance.now() - started.get(scale)) / 1000 + Number(scale.dataset.from);
    const share = Math.min(elapsed / Number(scale.dataset.scale), 0.99);
    scale.lastElementChild.setAttribute("x", share * 200);
  }
  for (const element of document.querySelectorAll("time[data-time]")) {
    const minutes = Math.floor((Date.now() - Date.parse(element.dateTime)) / 60_000);
    if (minutes < 1 || minutes > 59) continue;
    element.textContent = byId("announcer").dataset.ago.replace("%d", minutes);
  }
}

function setColours() {
  if (CSS.supports("color: attr(data-colour type(<color>))")) return; // base.css does it
  for (const frame of document.querySelectorAll("[data-colour]")) {
    frame.style.backgroundColor = frame.dataset.colour;
  }
}

document.addEventListener("htmx:load", () => {
  setColours();
  tick();
  updateTitle();
});
setInterval(tick, 1000);

// --- the way back --------------------------------------------------------------------------------

// Browsers restore the scroll position of a page that is loaded again, but not the focus.
const FOLLOWED_KEY = "klingweb-followed";
const isByKey = (event) => event.detail === 0;

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("article a[href]");
  if (link) sessionStorage.setItem(FOLLOWED_KEY, isByKey(event) ? link.getAttribute("href") : "");
});

if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") {
  const href = sessionStorage.getItem(FOLLOWED_KEY);
  if (href) document.querySelector(`article a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
}
