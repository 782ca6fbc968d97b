// Keeps the cards of a page fresh: one question for all open ones, none while nobody looks.

const byId = (id) => document.getElementById(id);
const openCards = () => [...document.querySelectorAll("article[data-open]")];
const isPoll = (event) => event.detail.elt?.id === "poller";
const MAX_CARDS = 50;
const AWAY_MS = 15_000;

// --- asking -----------------------------------------------------------------------------------

let failures = 0;
let quietUntil = 0;
let askedAt = 0;

document.addEventListener("htmx:configRequest", (event) => {
  if (!isPoll(event)) return;
  // Read from the page at this moment, so that a card put in meanwhile is not forgotten.
  const seen = openCards().slice(0, MAX_CARDS);
  const numbers = seen.map((card) => `${card.id.split("-")[1]}.${card.dataset.stamp}`);
  event.detail.parameters.k = numbers.join(",");
  event.detail.parameters.p = byId("poller").dataset.pageStamp;
});

// htmx's own trigger filters need eval, which our content policy forbids.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!isPoll(event)) return;
  if (isAway() || Date.now() < quietUntil) event.preventDefault();
  else askedAt = Date.now();
});

/** Nobody looks. Whoever wants to be told even so has it asked for now and then. */
function isAway() {
  const { sound, notices } = byId("announcer").dataset;
  const wantsWord = sound !== undefined || notices !== undefined;
  return document.hidden && !(wantsWord && Date.now() - askedAt > AWAY_MS);
}

function look() {
  if (!document.hidden && byId("poller")) htmx.trigger("#poller", "look");
}

document.addEventListener("visibilitychange", look);
// Back from another page, as it was left.
window.addEventListener("pageshow", (event) => event.persisted && look());

document.addEventListener("htmx:afterRequest", (event) => {
  const lost = event.detail.xhr.status === 0;
  const refused = event.detail.failed && !lost;
  failures = event.detail.failed ? failures + 1 : 0;
  quietUntil = isPoll(event) && failures ? Date.now() + 1000 * Math.min(60, 2 ** failures) : 0;
  byId("offline").hidden = !lost;
  byId("refused").hidden = !refused || isPoll(event);
});

// --- what comes back -------------------------------------------------------------------------

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment.firstElementChild;
  if (target.matches("article")) cardChanges(target, fresh);
  if (target.id === "poller" && !pollerChanges(target, fresh)) event.detail.shouldSwap = false;
});

document.addEventListener("htmx:beforeSwap", (event) => keepFocus(event.detail.target));

function pollerChanges(poller, fresh) {
  // The same again would only wind its clock back.
  if (fresh.dataset.pageStamp === poller.dataset.pageStamp) return false;
  // Asked before another card came in: the page still has something to ask for.
  return Boolean(fresh.dataset.hxGet) || !openCards().length;
}

function cardChanges(card, fresh) {
  keepFocus(card);
  if (fresh.dataset.state !== card.dataset.state) {
    announce(fresh.dataset.announcement, GOOD.includes(fresh.dataset.state));
  }
  for (const image of fresh.querySelectorAll("img")) {
    if (!byId(image.id)) image.classList.add("is-new");
  }
}

/** htmx gives the focus back by id; where the control is gone, its card's heading takes it. */
function keepFocus(card) {
  if (!card.matches("article") || !card.contains(document.activeElement)) return;
  queueMicrotask(() => {
    if (document.activeElement === document.body) byId(`${card.id}-title`)?.focus();
  });
}

// --- saying it ---------------------------------------------------------------------------------

const GOOD = ["succeeded", "short"];
let sentences = [];
let isGood = true; // all of them

function announce(sentence, good) {
  if (!sentence) return;
  if (!sentences.length) setTimeout(speak, 2000);
  sentences.push(sentence);
  isGood &&= good;
}

function speak() {
  const announcer = byId("announcer");
  announcer.textContent = sentences.join(". ");
  if ("sound" in announcer.dataset) chime(isGood);
  if ("notices" in announcer.dataset && document.hidden) notice(announcer.textContent);
  [sentences, isGood] = [[], true];
}

/** Two tones: up when pictures are there, down when something was not made. */
function chime(good) {
  const context = new AudioContext();
  const volume = new GainNode(context, { gain: 0.08 });
  volume.connect(context.destination);
  for (const [step, frequency] of (good ? [660, 880] : [440, 330]).entries()) {
    const tone = new OscillatorNode(context, { frequency });
    tone.connect(volume);
    tone.start(context.currentTime + step * 0.16);
    tone.stop(context.currentTime + step * 0.16 + 0.14);
    if (step) tone.onended = () => context.close();
  }
}

function notice(words) {
  if (window.Notification?.permission !== "granted") return;
  const shown = new Notification("klingweb", { body: words, tag: "klingweb" });
  shown.onclick = () => window.focus();
}

const title = document.title.replace(/^\(\d+\) /, "");
let open = 0;

function retitle() {
  const before = open;
  open = Number(byId("open-count")?.dataset.count);
  if (before && !open) {
    document.title = `${byId("announcer").dataset.ready} - ${title}`;
    setTimeout(retitle, 5000);
  } else {
    document.title = open ? `(${open}) ${title}` : title;
  }
}

// --- favourites --------------------------------------------------------------------------------

// Done behind the page, which shows it at once where the answer says so.
document.addEventListener("submit", async (event) => {
  if (event.target.id !== "favourite-form") return;
  event.preventDefault();
  const { target, submitter } = event;
  const answer = await fetch(submitter.getAttribute("formaction") ?? target.action, {
    method: "POST",
    body: new FormData(target, submitter),
    headers: { "HX-Request": "true" },
  });
  if (answer.status === 401) return location.reload();
  byId("refused").hidden = answer.ok;
  if (!answer.ok) return;
  const isOn = submitter.getAttribute("aria-pressed") !== "true";
  submitter.setAttribute("aria-pressed", String(isOn));
  const verb = isOn ? "unfavourite" : "favourite";
  submitter.setAttribute("formaction", target.action.replace(/\w+$/, verb));
});

// --- time and colour -------------------------------------------------------------------------

const started = new WeakMap();

function spell(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-seconds]")) {
    if (!started.has(element)) started.set(element, performance.now());
    const passed = (performance.now() - started.get(element)) / 1000;
    element.textContent = spell(Math.floor(Number(element.dataset.seconds) + passed));
  }
  for (const scale of document.querySelectorAll("[data-scale]")) {
    if (!started.has(scale)) started.set(scale, performance.now());
    const passed = (performance.now() - started.get(scale)) / 1000 + Number(scale.dataset.from);
    scale.lastElementChild.setAttribute("x", Math.min(passed / Number(scale.dataset.scale), 0.99) * 200);
  }
  for (const element of document.querySelectorAll("time[data-time]")) {
    const minutes = Math.floor((Date.now() - Date.parse(element.dateTime)) / 60_000);
    if (minutes < 1 || minutes > 59) continue;
    element.textContent = byId("announcer").dataset.ago.replace("%d", minutes);
  }
}

function paint() {
  for (const frame of document.querySelectorAll("[data-colour]")) {
    frame.style.backgroundColor = frame.dataset.colour;
  }
}

document.addEventListener("htmx:load", () => {
  paint();
  tick();
  retitle();
});
setInterval(tick, 1000);
