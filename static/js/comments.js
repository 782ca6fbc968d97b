// Comments below an image: changes in place, shows what others write, and completes mentions.
// Without this script each form and link works on its own.

const HTMX_HEADERS = { "HX-Request": "true" }; // the server then sends only the section
const REFRESH_MS = 20_000;
const COMPLETION_DELAY_MS = 120;
const section = () => document.getElementById("comments");
const announce = (text) => (document.getElementById("announcer").textContent = text);

// --- changes in place --------------------------------------------------------------------------

/** Replace the section by the response, keeping what is typed. Returns whether it was replaced. */
async function update(url, options = {}, { keepsDraft = true } = {}) {
  const response = await fetch(url, { ...options, headers: HTMX_HEADERS }).catch(() => null);
  if (response?.status === 401) return location.reload();
  if (response?.status === 204) return false;
  if (!response || !(response.ok || response.status === 422)) {
    document.dispatchEvent(new CustomEvent("toast", { detail: section()?.dataset.failed }));
    return false;
  }
  replaceSection(await response.text(), keepsDraft && response.ok);
  return response.ok;
}

function replaceSection(html, keepsDraft) {
  const before = section();
  if (!before) return;
  const field = before.querySelector("#new-comment");
  const [draft, wasFocused] = [field?.value, document.activeElement === field];
  const [start, end] = [field?.selectionStart, field?.selectionEnd];
  before.outerHTML = html;
  const after = section()?.querySelector("#new-comment");
  if (!keepsDraft || !after || !draft) return;
  after.value = draft;
  if (!wasFocused) return;
  after.focus();
  after.setSelectionRange(start, end);
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("#comments form");
  if (!form) return;
  event.preventDefault();
  const isNew = Boolean(form.querySelector("#new-comment"));
  const options = { method: "POST", body: new FormData(form) };
  const isStored = await update(form.action, options, { keepsDraft: !isNew });
  const field = section()?.querySelector("[aria-invalid]");
  if (field) return field.focus();
  if (!isStored) return;
  if (isNew) section().querySelector("#new-comment").focus();
  else document.getElementById("comments-title").focus();
});

document.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const edit = event.target.closest("#comments [data-edit]");
  const cancel = event.target.closest("#comments [data-cancel-edit]");
  if (!edit && !cancel) return;
  event.preventDefault();
  event.stopPropagation(); // the lightbox would follow the link
  await update(edit?.href ?? section().dataset.address);
  (document.getElementById("edited-comment") ?? document.getElementById("comments-title"))?.focus();
}, { capture: true });

/** Show what others have written meanwhile. */
function refresh() {
  const current = section();
  if (document.hidden || !current || "editing" in current.dataset || current.querySelector("details[open]")) return;
  if (new URLSearchParams(location.search).has("before")) return;
  update(`${current.dataset.address}?stamp=${current.dataset.stamp}`);
}

setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh);

// --- mentions ------------------------------------------------------------------------------------

// "@la" before the caret; the list of people is a listbox that the field controls.
const TYPED = /(?:^|[^\w@.+-])@([\w.+-]*)$/u;
let completionTimeout = 0;
let list = null;

document.addEventListener("input", (event) => {
  if (!event.target.matches("#comments textarea")) return;
  clearTimeout(completionTimeout);
  const typed = typedName(event.target);
  if (typed === null) return closeList();
  completionTimeout = setTimeout(() => complete(event.target, typed), COMPLETION_DELAY_MS);
});

function typedName(field) {
  return TYPED.exec(field.value.slice(0, field.selectionStart))?.[1] ?? null;
}

async function complete(field, typed) {
  const query = new URLSearchParams({ q: typed });
  const response = await fetch(`${section().dataset.people}?${query}`).catch(() => null);
  if (!response?.ok || typedName(field) !== typed) return;
  const { people } = await response.json();
  if (people.length) showList(field, people);
  else closeList();
}

function showList(field, people) {
  closeList();
  list = document.createElement("ul");
  list.id = "mentionable";
  list.role = "listbox";
  list.ariaLabel = section().dataset.peopleLabel;
  for (const [index, { username, name }] of people.entries()) {
    const option = document.createElement("li");
    option.id = `mentionable-${index}`;
    option.role = "option";
    option.dataset.username = username;
    option.append(name, " ", Object.assign(document.createElement("span"), { className: "fact", textContent: `@${username}` }));
    list.append(option);
  }
  field.after(list);
  field.setAttribute("aria-controls", list.id);
  select(field, list.firstElementChild);
  announce(section().dataset.found.replace("%n", people.length));
}

function closeList() {
  if (!list) return;
  const field = list.previousElementSibling;
  field?.removeAttribute("aria-controls");
  field?.removeAttribute("aria-activedescendant");
  list.remove();
  list = null;
}

function select(field, option) {
  for (const each of list.children) each.ariaSelected = String(each === option);
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function insert(field, option) {
  const [before, after] = [field.value.slice(0, field.selectionStart), field.value.slice(field.selectionStart)];
  const start = before.lastIndexOf("@");
  const mention = `@${option.dataset.username} `;
  field.value = before.slice(0, start) + mention + after.trimStart();
  field.focus();
  field.setSelectionRange(start + mention.length, start + mention.length);
  closeList();
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!field.matches?.("#comments textarea")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    return field.form.requestSubmit();
  }
  if (!list) return;
  const selected = list.querySelector("[aria-selected=true]");
  const steps = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };
  if (steps[event.key]) select(field, selected[steps[event.key]] ?? selected);
  else if (event.key === "Enter" || event.key === "Tab") insert(field, selected);
  else if (event.key === "Escape") closeList();
  else return;
  event.preventDefault();
  event.stopPropagation(); // Escape closes only the list
}, { capture: true });

document.addEventListener("pointerdown", (event) => {
  const option = event.target.closest("#mentionable [role=option]");
  if (!option) return closeList();
  event.preventDefault(); // the field keeps the focus
  insert(list.previousElementSibling, option);
});

document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("#comments textarea")) setTimeout(() => document.activeElement !== event.target && closeList());
});
