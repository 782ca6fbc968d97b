// An error beside a field goes away with its cause: when the field no longer has the value that the
// error is about. Fields in a form with `data-checks-errors` wait for its script to send "error-fixed".

/** Remove the error with this id, and what refers to it. */
function removeError(id) {
  document.getElementById(id)?.remove();
  for (const element of document.querySelectorAll(`[aria-describedby~="${id}"]`)) {
    element.removeAttribute("aria-invalid");
    const others = element.getAttribute("aria-describedby").split(" ").filter((each) => each !== id);
    if (others.length) element.setAttribute("aria-describedby", others.join(" "));
    else element.removeAttribute("aria-describedby");
  }
}

document.addEventListener("error-fixed", (event) => removeError(event.detail));

document.addEventListener("input", ({ target }) => {
  const field = target.closest("[aria-invalid]");
  if (!field || field.closest("[data-checks-errors]")) return;
  const isChoice = target.matches("select, [type=radio], [type=checkbox]");
  if (!isChoice && target.value.trim() === target.defaultValue.trim()) return;
  const ids = (field.getAttribute("aria-describedby") ?? "").split(" ");
  for (const id of ids) if (document.getElementById(id)?.matches(".error")) removeError(id);
});
