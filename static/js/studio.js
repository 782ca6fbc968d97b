// The console: what the form says of itself while one types. It works without all of this.

const byId = (id) => document.getElementById(id);
const form = () => byId("composer");
const TWICE_MS = 1000;

let leftOut = ""; // kept while a reference bars it
let preview = ""; // address of the chosen file's thumbnail
let pressed = { at: 0, wish: "" };

function count() {
  const figure = byId("prompt-count");
  const length = [...byId("prompt").value.trim()].length; // code points, as the server counts
  figure.textContent = figure.dataset.label.replace("%n", length);
  figure.classList.toggle("is-over-limit", length > Number(figure.dataset.limit));
}

function nameButton() {
  const chosen = form().querySelector("[name=n]:checked");
  if (chosen) byId("generate-label").textContent = chosen.dataset.label;
}

function say(figure, words, none) {
  figure.textContent = words || none;
  figure.classList.toggle("is-unset", !words);
}

/** Images that were chosen before: a stored one, or a picture of ours. */
const kept = () => [byId("reference"), byId("picture")].filter(Boolean);

function hasReference() {
  const isKept = kept().some((box) => box.checked);
  return Boolean(byId("image").files.length || isKept || byId("image_url").value.trim());
}

function showReference() {
  const [file] = byId("image").files;
  const before = kept().find((box) => box.checked);
  const name = file?.name || before?.dataset.name || byId("image_url").value.trim();
  say(byId("reference-value"), name, byId("reference-value").dataset.emptyLabel);
  URL.revokeObjectURL(preview);
  preview = file ? URL.createObjectURL(file) : "";
  const image = byId("image-preview");
  image.hidden = !file;
  if (file) image.src = preview;
  byId("similarity").hidden = !hasReference();
}

/** Kling takes no words to leave out beside an image; they wait here until it is gone. */
function showLeftOut() {
  const words = byId("negative_prompt");
  const figure = byId("negative-prompt-value");
  if (words.value) leftOut = words.value;
  const refused = words.hasAttribute("aria-invalid");
  words.disabled = hasReference() && !refused;
  if (words.disabled) say(figure, "", figure.dataset.disabledLabel);
  else say(figure, words.value.trim(), figure.dataset.emptyLabel);
}

function showCloseness() {
  const closeness = Number(byId("image_fidelity").value);
  const words = byId("similarity-value").dataset.label.split("|");
  const word = words[Math.min(Math.floor(closeness * words.length), words.length - 1)];
  byId("similarity-value").textContent = `${word}, ${closeness.toFixed(2)}`;
}

function showSaveIn() {
  const figure = byId("collection-value");
  const chosen = byId("collection")?.selectedOptions[0];
  const named = byId("new_collection").value.trim() || (chosen?.value && chosen.text);
  const seen = byId("is_private").checked ? figure.dataset.private : "";
  figure.textContent = [named, seen].filter(Boolean).join(", ") || figure.dataset.shared;
  figure.classList.toggle("is-unset", !named && !seen);
}

function sync() {
  count();
  nameButton();
  showReference();
  showLeftOut();
  showCloseness();
  showSaveIn();
}

function fold(button) {
  const opens = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(opens));
}

document.addEventListener("input", (event) => {
  if (!form().contains(event.target)) return;
  if (event.target.id === "negative_prompt") leftOut = event.target.value;
  if (event.target.id === "image") check(event.target.files[0]);
  sync();
  keepDraft();
  askAlike();
});

// --- what a colleague already made ---------------------------------------------------------------

const PAUSE_MS = 600;
let pause = 0;
let asking = new AbortController();

/** Asked for once one stops typing; a new image is like none that was made. */
function askAlike() {
  clearTimeout(pause);
  asking.abort();
  asking = new AbortController();
  pause = setTimeout(showAlike, PAUSE_MS, asking.signal);
}

async function showAlike(signal) {
  const place = byId("similar");
  if (byId("image").files.length || byId("picture")?.checked) return place.replaceChildren();
  const wished = new URLSearchParams();
  const fields = new FormData(form());
  for (const name of ["prompt", "aspect_ratio", "reference", "image_url"]) {
    wished.set(name, fields.get(name) ?? "");
  }
  try {
    const answer = await fetch(`${place.dataset.address}?${wished}`, { signal });
    if (answer.ok && !answer.redirected) place.innerHTML = await answer.text();
  } catch {
    // The next one was asked for, or the line is gone: nothing is said of what nobody knows.
  }
}

// --- an image that is dropped or pasted ---------------------------------------------------------

function give(files) {
  const file = [...files].find((each) => each.type.startsWith("image/"));
  if (!file) return false;
  const carried = new DataTransfer();
  carried.items.add(file);
  byId("image").files = carried.files;
  byId("image").closest("details").open = true;
  if (byId("more-options").getAttribute("aria-expanded") === "false") fold(byId("more-options"));
  check(file);
  sync();
  return true;
}

document.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes("Files")) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault(); // else the browser leaves the page to show the file
  give(event.dataTransfer.files);
});

document.addEventListener("paste", (event) => {
  if (give(event.clipboardData.files)) event.preventDefault();
});

/** What the server would refuse is said before it is sent. */
async function check(file) {
  const input = byId("image");
  complain(input, file ? await wrongWith(file, input.dataset) : "");
}

async function wrongWith(file, words) {
  if (!["image/jpeg", "image/png"].includes(file.type)) return words.type;
  if (file.size > 10 * 1024 * 1024) return words.large;
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return words.type;
  }
  const [short, long] = [image.width, image.height].sort((a, b) => a - b);
  image.close();
  if (short < 300) return words.small;
  return long > 2.5 * short ? words.long : "";
}

function complain(input, words) {
  byId("image-error")?.remove();
  input.toggleAttribute("aria-invalid", Boolean(words));
  if (!words) return;
  const error = document.createElement("p");
  Object.assign(error, { id: "image-error", className: "error", textContent: words });
  error.setAttribute("role", "alert");
  input.setAttribute("aria-describedby", error.id);
  input.after(error);
}

// --- what was typed survives a reload and a sign-out ---------------------------------------------

const DRAFTED = ["prompt", "negative_prompt", "image_url"];
const draft = `klingweb-draft-${form().dataset.member}`;

function keepDraft() {
  const typed = Object.fromEntries(DRAFTED.map((name) => [name, byId(name).value]));
  localStorage.setItem(draft, JSON.stringify(typed));
}

function restoreDraft() {
  const typed = JSON.parse(localStorage.getItem(draft) ?? "{}");
  const isFresh = !location.search && DRAFTED.every((name) => !byId(name).value);
  if (isFresh) for (const name of DRAFTED) byId(name).value = typed[name] ?? "";
}

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt !== form() || event.detail.xhr.status !== 200) return;
  localStorage.removeItem(draft);
  tabs.postMessage("made");
});

// --- vary one thing ------------------------------------------------------------------------------

// Asked for anew whenever it opens: a form that was sent is spent.
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches("details.variations") || !target.open) return;
  const place = target.querySelector(".menu-list");
  htmx.ajax("GET", target.dataset.address, { target: place, swap: "innerHTML" });
}, { capture: true });

document.addEventListener("htmx:afterRequest", (event) => {
  const menu = event.detail.elt.closest?.("details.variations");
  if (menu && event.detail.requestConfig.verb === "post" && event.detail.successful) menu.open = false;
});

document.addEventListener("click", (event) => {
  const more = event.target.closest("#more-options");
  if (more) fold(more);
});

document.addEventListener("keydown", (event) => {
  const wants = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (wants && form().contains(event.target)) form().requestSubmit();
});

/** All that was wished for, to tell a double click from a second wish. */
function wish() {
  const fields = [...new FormData(form())].filter(([name]) => name !== "nonce");
  return JSON.stringify(fields.map(([name, value]) => [name, value.name ?? value]));
}

// A double click is one press: the answer to the first may already have renewed the nonce.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt !== form()) return;
  const again = { at: Date.now(), wish: wish() };
  if (again.at - pressed.at < TWICE_MS && again.wish === pressed.wish) event.preventDefault();
  else pressed = again;
});

// Another tab made something: this one shows it when it is looked at again. Its draft is kept.
const tabs = new BroadcastChannel("klingweb");
let isStale = false;

tabs.addEventListener("message", () => {
  isStale = true;
  catchUp();
});

function catchUp() {
  if (isStale && !document.hidden) location.reload();
}

document.addEventListener("visibilitychange", catchUp);

// The same press again brings the same card: the one in the page makes room for it.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "today-cards") return;
  const [, id] = /id="(generation-\d+)"/.exec(event.detail.serverResponse) ?? [];
  byId(id)?.closest("li").remove();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "console") return;
  const words = byId("negative_prompt");
  if (!words.value) words.value = leftOut;
  sync();
});

restoreDraft();
sync();
