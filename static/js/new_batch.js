// "Many at once": shows a chosen file or reference image at once, and finds the line that an error is about.

const text = document.getElementById("text");

for (const id of ["file", "image"]) {
  document.getElementById(id).addEventListener("change", (event) => {
    if (event.target.files.length) event.target.form.requestSubmit(document.getElementById("check"));
  });
}

// What was written before htmx listened is previewed too.
addEventListener("DOMContentLoaded", () => {
  if (text.value !== text.defaultValue) text.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("click", (event) => {
  const { line } = event.target.dataset ?? {};
  if (!line) return;
  event.preventDefault();
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
});
