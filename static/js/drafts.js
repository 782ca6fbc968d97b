// Forms with data-draft beside each other: what was typed into one of them is kept while another is
// sent, because the answer is a new page. Without this script it is lost.

const KEY = `drafts:${location.pathname}`;
const forms = [...document.querySelectorAll("form[data-draft]")];

/** The fields that a person types into, each by the form and its name. */
function* fields(skipped) {
  for (const form of forms) {
    if (form === skipped) continue;
    for (const field of form.elements) {
      if (!field.matches("input:not([type=hidden]), textarea")) continue;
      yield [`${form.dataset.draft} ${field.name}`, field];
    }
  }
}

function keep(event) {
  const typed = [...fields(event.target)].filter(([, field]) => field.value !== field.defaultValue);
  const values = typed.map(([name, field]) => [name, field.value]);
  if (values.length) sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(values)));
}

/** Put it back where the page shows no errors of its own, and open what it is in. */
function restore() {
  const values = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  sessionStorage.removeItem(KEY);
  for (const [name, field] of fields()) {
    if (!(name in values) || field.readOnly) continue;
    field.value = values[name];
    const details = field.closest("details");
    if (details) details.open = true;
  }
}

restore();
addEventListener("submit", keep);
