// The composer: counts, labels, checks and drafts while a member types. The form works without it.

const byId = (id) => document.getElementById(id);
const form = () => byId("composer");

// --- what the form shows -------------------------------------------------------------------------

let previewUrl = "";

// The same rule as in generations/invisible_text.py.
const VISIBLE = /[^\s\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;
const isBlank = (text) => !VISIBLE.test(text);

function promptLength() {
  const text = byId("prompt").value.trim();
  return isBlank(text) ? 0 : [...text].length; // code points, as the server counts
}

/** With the text that the team adds to each prompt; 0 without a prompt. */
function sentLength() {
  return promptLength() && promptLength() + Number(byId("prompt-count").dataset.added);
}

function showPromptLength() {
  const counter = byId("prompt-count");
  counter.textContent = counter.dataset.label.replace("%n", sentLength());
  counter.classList.toggle("is-over-limit", sentLength() > Number(counter.dataset.limit));
}

/** The label with the price of the selected number and options, all of which the server wrote. */
function showButtonLabel() {
  const selected = form().querySelector("[name=n]:checked");
  const { fields, labels, units } = JSON.parse(form().dataset.prices);
  const values = fields.map((name) => form().elements.namedItem(name).value);
  const key = [...values, hasReference() ? "reference" : ""].join("|");
  if (!selected || !labels[key]) return;
  byId("generate-label").textContent = labels[key][selected.value - 1];
  byId("seen-prices").value = units[key];
}

function showValue(element, text, emptyLabel) {
  element.textContent = text || emptyLabel;
  element.classList.toggle("is-unset", !text);
}

/** The checkboxes of a stored reference image and of a picture chosen as one. */
const attachedBoxes = () => [byId("reference"), byId("picture")].filter(Boolean);

/** Some models take no reference image: then the form has none of its fields. */
const takesReference = () => Boolean(byId("image"));

function hasReference() {
  if (!takesReference()) return false;
  const isAttached = attachedBoxes().some((box) => box.checked);
  return Boolean(byId("image").files.length || isAttached || byId("image_url").value.trim());
}

function showReference() {
  if (!takesReference()) return;
  const [file] = byId("image").files;
  const attached = attachedBoxes().find((box) => box.checked);
  const name = file?.name || attached?.dataset.name || byId("image_url").value.trim();
  showValue(byId("reference-value"), name, byId("reference-value").dataset.emptyLabel);
  byId("similarity").hidden = !hasReference();
}

function showPreview(file) {
  URL.revokeObjectURL(previewUrl);
  previewUrl = file ? URL.createObjectURL(file) : "";
  const preview = byId("image-preview");
  preview.hidden = !file;
  if (file) preview.src = previewUrl;
}

/** The engine takes no negative prompt beside an image: disable the field, keep its text. */
function showNegativePrompt() {
  const field = byId("negative_prompt");
  if (!field) return;
  const value = byId("negative-prompt-value");
  const isInvalid = field.hasAttribute("aria-invalid");
  field.disabled = hasReference() && !isInvalid;
  if (field.disabled) showValue(value, "", value.dataset.disabledLabel);
  else showValue(value, field.value.trim(), value.dataset.emptyLabel);
}

function showSimilarity() {
  if (!takesReference()) return;
  const similarity = Number(byId("image_fidelity").value);
  const value = byId("similarity-value");
  const labels = value.dataset.label.split("|");
  const label = labels[Math.min(Math.floor(similarity * labels.length), labels.length - 1)];
  const number = similarity.toLocaleString(document.documentElement.lang, { minimumFractionDigits: 2 });
  value.textContent = label + value.dataset.separator + number;
}

function showCollection() {
  const value = byId("collection-value");
  const selected = byId("collection")?.selectedOptions[0];
  const name = byId("new_collection").value.trim() || (selected?.value && selected.text);
  const privateLabel = byId("is_private").checked ? value.dataset.privateLabel : "";
  showValue(value, [name, privateLabel].filter(Boolean).join(", "), value.dataset.emptyLabel);
}

/** With a reference image, models that take none say so instead of what they are good for. */
function showModels() {
  for (const row of document.querySelectorAll("#models [data-no-reference]")) {
    const radio = row.querySelector("input");
    if ("unavailable" in radio.dataset) continue;
    const text = row.querySelector(".model-line");
    const isUnavailable = hasReference() && !radio.checked;
    row.classList.toggle("is-unavailable", isUnavailable);
    if (isUnavailable) radio.setAttribute("aria-disabled", "true");
    else radio.removeAttribute("aria-disabled");
    text.textContent = isUnavailable ? text.dataset.reason : text.dataset.line;
  }
}

function update() {
  showModels();
  showPromptLength();
  showButtonLabel();
  showReference();
  showNegativePrompt();
  showSimilarity();
  showCollection();
}

function toggleOptions() {
  const button = byId("more-options");
  const isCollapsed = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(isCollapsed));
}

// --- errors go away with their cause -------------------------------------------------------------

const REFERENCE_FIELDS = ["image", "reference", "picture", "image_url"];

function clearError(name) {
  document.dispatchEvent(new CustomEvent("error-fixed", { detail: `${name}-error` }));
}

function clearAllErrors() {
  for (const error of form().querySelectorAll(".error")) clearError(error.id.replace(/-error$/, ""));
}

function isPromptValid() {
  return sentLength() > 0 && sentLength() <= Number(byId("prompt-count").dataset.limit);
}

function clearErrorsOf(name) {
  if (name === "prompt" && !isPromptValid()) return;
  clearError(name);
  if (!REFERENCE_FIELDS.includes(name)) return;
  for (const each of REFERENCE_FIELDS) clearError(each);
  if (!hasReference()) clearError("negative_prompt");
}

/** Also for values that a draft or the browser has restored: then there is no event "input". */
function clearFixedErrors() {
  for (const field of form().elements) {
    const isChanged = field.value !== field.defaultValue || field.checked !== field.defaultChecked;
    if ("defaultValue" in field && isChanged) clearErrorsOf(field.name);
  }
}

document.addEventListener("input", (event) => {
  if (!form().contains(event.target)) return;
  clearErrorsOf(event.target.name);
  if (event.target.id === "image") checkImage(event.target.files[0]);
  update();
  storeDraft();
  scheduleSimilar();
});

// --- similar images that exist -------------------------------------------------------------------

const TYPING_PAUSE_MS = 600;
let typingPause = 0;
let similarRequest = new AbortController();

function scheduleSimilar() {
  clearTimeout(typingPause);
  similarRequest.abort();
  similarRequest = new AbortController();
  typingPause = setTimeout(showSimilar, TYPING_PAUSE_MS, similarRequest.signal);
}

async function showSimilar(signal) {
  const place = byId("similar");
  // A new reference image has no earlier results.
  if (byId("image")?.files.length || byId("picture")?.checked) return place.replaceChildren();
  const query = new URLSearchParams();
  const values = new FormData(form());
  for (const name of place.dataset.fields.split(" ")) query.set(name, values.get(name) ?? "");
  try {
    const response = await fetch(`${place.dataset.address}?${query}`, { signal });
    if (response.ok && !response.redirected) place.innerHTML = await response.text();
  } catch {
    // Aborted by the next request, or offline: keep what is shown.
  }
}

// --- dropped and pasted images -------------------------------------------------------------------

/** By type, or by the extension: browsers know no type for HEIC on most systems. */
function isImage({ type, name }) {
  const extension = name.slice(name.lastIndexOf(".")).toLowerCase();
  return type.startsWith("image/") || (!type && byId("image").accept.split(",").includes(extension));
}

function attach(files) {
  const file = takesReference() && [...files].find(isImage);
  if (!file) return false;
  const transfer = new DataTransfer();
  transfer.items.add(file);
  byId("image").files = transfer.files;
  byId("image").closest("details").open = true;
  if (byId("more-options").getAttribute("aria-expanded") === "false") toggleOptions();
  clearErrorsOf("image");
  checkImage(file);
  update();
  return true;
}

document.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes("Files")) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault(); // otherwise the browser opens the file
  attach(event.dataTransfer.files);
});

// Text is pasted as text, even if an image comes with it: spreadsheets copy both.
document.addEventListener("paste", (event) => {
  const { clipboardData } = event;
  if (!clipboardData.getData("text/plain") && attach(clipboardData.files)) event.preventDefault();
});

/** Apply the server's rules, which the input has as data attributes, before the file is sent. */
async function checkImage(file) {
  const input = byId("image");
  byId("reference-changes").textContent = "";
  showPreview(null);
  byId("no-preview").hidden = true;
  if (!file) return showImageError(input, "");
  const { error, isDecoded } = await imageProblem(file, input.dataset);
  if (input.files[0] !== file) return; // another was chosen meanwhile
  showImageError(input, error.replace("%n", () => file.name));
  if (isDecoded) showPreview(file);
  else byId("no-preview").hidden = Boolean(error);
}

async function imageProblem(file, rules) {
  if (!file.size) return { error: rules.emptyError };
  if (file.size > Number(rules.maxBytes)) return { error: rules.largeError };
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return { error: (await isForServer(file)) ? "" : rules.unreadableError };
  }
  const [short, long] = [image.width, image.height].sort((a, b) => a - b);
  image.close();
  let error = "";
  if (long > Number(rules.maxRatio) * short) error = rules.longError;
  else if (short < Number(rules.minSide)) error = rules.smallError;
  return { error, isDecoded: true };
}

/** Only the server can tell whether a HEIC, AVIF or TIFF file is whole: many browsers read none. */
async function isForServer(file) {
  const start = String.fromCharCode(...new Uint8Array(await file.slice(0, 8).arrayBuffer()));
  return start.endsWith("ftyp") || start.startsWith("II*\0") || start.startsWith("MM\0*");
}

function showImageError(input, text) {
  clearError("image");
  if (!text) return;
  const error = document.createElement("p");
  Object.assign(error, { id: "image-error", className: "error", textContent: text });
  error.setAttribute("role", "alert");
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", error.id);
  input.after(error);
}

// --- drafts: fields with data-draft survive a reload and a sign-out ------------------------------

const draftKey = `klingweb-draft-${form().dataset.member}`;

/** By name: an input, or the radio buttons of a name as one RadioNodeList. Both have a `value`. */
function draftFields() {
  const names = new Set([...form().querySelectorAll("[data-draft]")].map(({ name }) => name));
  return [...names].map((name) => [name, form().elements.namedItem(name)]);
}

function storeDraft() {
  const values = draftFields().map(([name, field]) => [name, field.value]);
  localStorage.setItem(draftKey, JSON.stringify(Object.fromEntries(values)));
}

function restoreDraft() {
  const draft = JSON.parse(localStorage.getItem(draftKey) ?? "{}");
  const isTyped = ([, field]) => !(field instanceof RadioNodeList) && field.value;
  if (location.search || draftFields().some(isTyped)) return;
  for (const [name, field] of draftFields()) if (name in draft) field.value = draft[name];
}

// --- sending -------------------------------------------------------------------------------------

const DOUBLE_CLICK_MS = 1000;
let lastSent = { at: 0, values: "" };

function formValues() {
  const fields = [...new FormData(form())].filter(([name]) => name !== "nonce");
  return JSON.stringify(fields.map(([name, value]) => [name, value.name ?? value]));
}

// The response to the first of two clicks may already have replaced the nonce.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt !== form()) return;
  const sent = { at: Date.now(), values: formValues() };
  const isDoubleClick = sent.at - lastSent.at < DOUBLE_CLICK_MS && sent.values === lastSent.values;
  if (isDoubleClick) event.preventDefault();
  else lastSent = sent;
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt !== form()) return;
  if (event.detail.xhr.status !== 200) {
    lastSent.at = 0; // nothing was created: another button may send the same fields
    return;
  }
  localStorage.removeItem(draftKey);
  clearAllErrors();
  update();
  tabs.postMessage("created");
});

// The same request again returns the same card: remove the one in the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "today-cards") return;
  const [, id] = /id="(generation-\d+)"/.exec(event.detail.serverResponse) ?? [];
  byId(id)?.closest("li").remove();
});

// An invalid form is replaced by the server's copy, which lacks what was typed since it was sent and
// the disabled field.
let textsBeforeSwap = [];
// The list of models stays open while its radio buttons are moved through with the keyboard.
let stayAtModel = false;

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "composer") return;
  const fields = form().querySelectorAll("textarea, input[type=text], input[type=url]");
  textsBeforeSwap = [...fields].map(({ name, value }) => [name, value]);
  stayAtModel = document.activeElement?.matches("#models input:focus-visible");
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "composer") return;
  for (const [name, text] of textsBeforeSwap) {
    const field = form().elements.namedItem(name);
    if (field && field.value.trim() !== text.trim()) field.value = text;
  }
  const isSwitch = event.detail.requestConfig.elt.name === "model";
  if (isSwitch && stayAtModel) openModels();
  else if (isSwitch) byId("models-summary").focus();
  clearFixedErrors();
  update();
});

// --- the list of models --------------------------------------------------------------------------

function openModels() {
  byId("models").open = true;
  document.querySelector("#models input:checked").focus();
}

// A model that is not available keeps the focus, so that its reason is read, and is not chosen.
document.addEventListener("click", (event) => {
  const radio = event.target.closest("#models label")?.querySelector("input");
  if (radio?.getAttribute("aria-disabled") === "true") event.preventDefault();
});

// On a phone the list is longer than the screen.
document.addEventListener("toggle", ({ target }) => {
  if (target.id !== "models" || !target.open) return;
  target.querySelector("input:checked")?.closest("label").scrollIntoView({ block: "nearest" });
}, { capture: true });

// Enter in a field of a form sends it, and this one spends money. On a model it closes the list.
document.addEventListener("keydown", (event) => {
  if (!event.target.closest("#models[open]")) return;
  const isEnter = event.key === "Enter" && event.target.matches("input");
  if (isEnter) event.preventDefault();
  if (event.key !== "Escape" && !(isEnter && event.target.type === "radio")) return;
  byId("models").open = false;
  byId("models-summary").focus();
});

document.addEventListener("input", ({ target }) => {
  if (target.id !== "model-search") return;
  const words = target.value.trim().toLocaleLowerCase();
  for (const row of document.querySelectorAll("#models .model")) {
    row.hidden = !row.textContent.toLocaleLowerCase().includes(words);
  }
  const note = byId("no-models");
  note.textContent = document.querySelector("#models .model:not([hidden])") ? "" : note.dataset.label;
});

// --- menus of a card -----------------------------------------------------------------------------

document.addEventListener("toggle", async ({ target }) => {
  if (!target.matches(".actions details.menu") || !target.open) return;
  const list = target.querySelector(".menu-list");
  const { address } = target.dataset; // of variations
  if (!address) return placeMenu(list);
  if (list.querySelector(".htmx-request")) return; // its response needs the form
  // Loaded each time it opens: a form that was sent has a used nonce.
  list.querySelector("form")?.remove();
  // Before the form: its buttons spend, and a finger has to press them twice.
  await Promise.all(byId("toast").dataset.scripts.split(" ").map((url) => import(url)));
  htmx.ajax("GET", address, { target: list, swap: "innerHTML" });
}, { capture: true });

// Before the content is painted, so that nothing moves under the pointer.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.matches(".actions .menu-list")) placeMenu(detail.target);
});

/** A menu opens upwards; downwards where the header would cover it. */
function placeMenu(list) {
  const headerHeight = document.querySelector(".header").offsetHeight;
  list.classList.remove("opens-down");
  list.classList.toggle("opens-down", list.getBoundingClientRect().top < headerHeight);
  list.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:afterRequest", (event) => {
  const menu = event.detail.elt.closest?.("details.variations");
  if (menu && event.detail.requestConfig.verb === "post" && event.detail.successful) menu.open = false;
});

// --- buttons and keys ----------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  if (event.target.closest("#more-options")) toggleOptions();
});

document.addEventListener("keydown", (event) => {
  const isSubmit = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (!isSubmit || !form().contains(event.target)) return;
  event.preventDefault();
  if (!event.repeat) form().requestSubmit();
});

// --- other tabs ----------------------------------------------------------------------------------

// Another tab created a generation: reload this one when it is visible. Its draft is kept.
const tabs = new BroadcastChannel("klingweb");
let isStale = false;

tabs.addEventListener("message", () => {
  isStale = true;
  reloadIfStale();
});

function reloadIfStale() {
  if (isStale && !document.hidden) location.reload();
}

document.addEventListener("visibilitychange", reloadIfStale);

function initialize() {
  clearFixedErrors();
  update();
}

restoreDraft();
initialize();
if (byId("image")?.files.length) checkImage(byId("image").files[0]); // restored by the browser
window.addEventListener("pageshow", initialize); // the browser has restored what was typed
