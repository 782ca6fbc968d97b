// Live results of the search dialog (on every page) and of the search page. Without this script the
// form leads to the page. The results are links; here they become the options of a list box that
// belongs to the field, so that the arrow keys move between them while someone types.

const DEBOUNCE_MS = 120;
const OPTION = "a.option-row";
const stylesheet = load(document.querySelector("[data-stylesheet]"));
let lists = 0;

for (const root of document.querySelectorAll("[data-search]")) wire(root);

/** The styles of the results, which pages do not load before they are needed. */
function load({ dataset }) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: dataset.stylesheet });
  const loaded = new Promise((resolve) => {
    link.onload = link.onerror = resolve;
  });
  document.head.append(link);
  return loaded;
}

/** Called with each opening of the dialog. */
export function refresh(root) {
  root.dispatchEvent(new Event("search-opened"));
}

function wire(root) {
  const form = root.querySelector("[role=search]");
  const input = form.elements.q;
  const results = root.querySelector("[data-results]");
  const status = root.querySelector("[role=status]");
  const id = `search-list-${(lists += 1)}`;
  let request;
  let requested; // the text of that request
  let timer;
  let options = [];
  let active = -1;

  for (const [name, value] of Object.entries({
    role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id,
  })) input.setAttribute(name, value);

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(update, DEBOUNCE_MS);
  });
  root.addEventListener("search-opened", () => {
    requested = undefined; // the last searches may be others by now
    update();
  });
  if (results.firstElementChild) show();

  async function update() {
    if (input.value === requested) return;
    requested = input.value;
    request?.abort();
    const { signal } = (request = new AbortController());
    const address = new URL(form.action);
    address.searchParams.set("q", input.value);
    try {
      const response = await fetch(address, { headers: { "HX-Request": "true" }, signal });
      if (response.status === 401) return location.reload();
      if (!response.ok) throw new Error(response.statusText);
      const html = await response.text();
      await stylesheet;
      if (signal.aborted) return;
      const hadFocus = results.contains(document.activeElement);
      results.innerHTML = html;
      show();
      if (hadFocus) (results.querySelector("[data-all]") ?? input).focus();
    } catch {
      // Canceled by the next letter, or no answer: Enter still sends the form.
      if (!signal.aborted) requested = undefined;
    }
  }

  function show() {
    const list = results.querySelector("[data-list]");
    list.id = id;
    setRoles(list, input.labels[0].textContent);
    options = [...list.querySelectorAll(OPTION)];
    for (const [index, option] of options.entries()) option.id = `${id}-${index}`;
    input.setAttribute("aria-expanded", String(options.length > 0));
    status.textContent = list.dataset.status;
    activate(input.value.trim() ? 0 : -1);
  }

  function activate(index) {
    options[active]?.setAttribute("aria-selected", "false");
    active = index;
    const option = options[active];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  input.addEventListener("keydown", (event) => {
    const isCtrl = event.ctrlKey || event.metaKey;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = active < 0 && step < 0 ? options.length - 1 : active + step;
      if (options.length) activate((next + options.length) % options.length);
    } else if (event.key === "Enter" && isCtrl) {
      generate();
    } else if (event.key === "Enter" && options[active] && isCurrent()) {
      options[active].click();
    } else return;
    event.preventDefault();
  });

  /** Opens the studio with the text in the field, of which there may be no results yet. */
  function generate() {
    const link = results.querySelector('[data-keys="Ctrl+Enter"]');
    if (!link) return;
    const address = new URL(link.href);
    address.searchParams.set("text", input.value.trim());
    link.href = address;
    link.click();
  }

  /** Whether the results are those of the text in the field. */
  function isCurrent() {
    return results.querySelector("[data-list]")?.dataset.text === input.value.trim();
  }

  root.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.dataset.text !== undefined) {
      event.preventDefault();
      input.value = link.dataset.text;
      input.focus();
      update();
    } else if (input.value.trim()) record();
  });

  function record() {
    const data = new FormData();
    data.set("q", input.value);
    data.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    navigator.sendBeacon(root.dataset.record, data);
  }
}

/** A list box contains groups and options, and nothing else that a screen reader knows. */
function setRoles(list, label) {
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", label);
  for (const section of list.querySelectorAll("section")) section.setAttribute("role", "group");
  for (const other of list.querySelectorAll("h2, ul, li, .search-nothing, p")) {
    other.setAttribute("role", "presentation");
  }
  for (const option of list.querySelectorAll(OPTION)) {
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.tabIndex = -1;
  }
}
