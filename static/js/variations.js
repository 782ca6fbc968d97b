// Variations: the menu of the image page, the price of the choice under the pointer, and the second
// press that a finger needs for more than one image. Without scripts the menu is a link to a page
// with the same form.

const FORM = "form.variations";

/** The menu of the image page. studio.js loads the menus of cards, which answer with a card. */
document.addEventListener("toggle", async ({ target }) => {
  if (!target.matches("#viewer details.variations") || !target.open) return;
  const list = target.querySelector(".menu-list");
  // Loaded each time it opens: a form that was sent has a used nonce.
  list.querySelector(FORM)?.remove();
  const headers = { "HX-Request": "true", "HX-Target": "toast" };
  const response = await fetch(target.dataset.address, { headers });
  if (!response.ok || response.redirected) return location.assign(target.dataset.address);
  list.innerHTML = await response.text();
  list.scrollIntoView({ block: "nearest" });
}, { capture: true });

document.addEventListener("action-done", () => {
  const menu = document.querySelector("#viewer details.variations[open]");
  if (menu) menu.open = false;
});

// --- what a press costs --------------------------------------------------------------------------

function showPrice(button, template = "%s") {
  const line = button.form.querySelector(".variation-price");
  line.textContent = template.replace("%s", button.dataset.button);
}

for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const button = event.target.closest?.(`${FORM} button`);
    if (button && !button.matches(".is-armed")) showPrice(button);
  });
}

// --- the second press ----------------------------------------------------------------------------

// A finger misses easily, and several images cost several times as much.
document.addEventListener("click", (event) => {
  const button = event.target.closest(`${FORM} button`);
  if (!button || !["touch", "pen"].includes(event.pointerType)) return;
  const isFirst = Number(button.dataset.images) > 1 && !button.matches(".is-armed");
  for (const armed of button.form.querySelectorAll(".is-armed")) armed.classList.remove("is-armed");
  if (!isFirst) return;
  event.preventDefault();
  event.stopPropagation();
  button.classList.add("is-armed");
  showPrice(button, button.form.dataset.again);
  const announcer = document.getElementById("announcer");
  if (announcer) announcer.textContent = button.form.querySelector(".variation-price").textContent;
}, { capture: true });
