// The console: what the form says of itself while one types. It works without all of this.

const byId = (id) => document.getElementById(id);
const form = () => byId("console");
const TWICE_MS = 1000;

let leftOut = ""; // kept while a reference bars it
let preview = ""; // address of the chosen file's thumbnail
let pressed = { at: 0, wish: "" };

function count() {
  const figure = byId("prompt-count");
  const length = [...byId("prompt").value.trim()].length; // code points, as the server counts
  figure.textContent = figure.dataset.words.replace("%n", length);
  figure.classList.toggle("is-over", length > Number(figure.dataset.limit));
}

function nameButton() {
  const chosen = form().querySelector("[name=n]:checked");
  if (chosen) byId("make-words").textContent = chosen.dataset.make;
}

function say(figure, words, none) {
  figure.textContent = words || none;
  figure.classList.toggle("is-none", !words);
}

function hasReference() {
  const kept = byId("reference");
  return Boolean(byId("image").files.length || kept?.checked || byId("image_url").value.trim());
}

function showReference() {
  const [file] = byId("image").files;
  const kept = byId("reference");
  const name = file?.name || (kept?.checked && kept.dataset.name) || byId("image_url").value.trim();
  say(byId("reference-value"), name, byId("reference-value").dataset.none);
  URL.revokeObjectURL(preview);
  preview = file ? URL.createObjectURL(file) : "";
  const image = byId("image-preview");
  image.hidden = !file;
  if (file) image.src = preview;
  byId("closeness").hidden = !hasReference();
}

/** Kling takes no words to leave out beside an image; they wait here until it is gone. */
function showLeftOut() {
  const words = byId("negative_prompt");
  const figure = byId("leave-out-value");
  if (words.value) leftOut = words.value;
  const refused = words.hasAttribute("aria-invalid");
  words.disabled = hasReference() && !refused;
  if (words.disabled) say(figure, "", figure.dataset.barred);
  else say(figure, words.value.trim(), figure.dataset.none);
}

function sync() {
  count();
  nameButton();
  showReference();
  showLeftOut();
  const closeness = byId("image_fidelity");
  byId("fidelity-figure").textContent = Number(closeness.value).toFixed(2);
}

function fold(button) {
  const opens = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(opens));
}

document.addEventListener("input", (event) => {
  if (!form().contains(event.target)) return;
  if (event.target.id === "negative_prompt") leftOut = event.target.value;
  sync();
});

document.addEventListener("click", (event) => {
  const more = event.target.closest("#more");
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

sync();
