// The set-up page: shows passwords, sends the form once, and preselects the browser's time zone.

for (const button of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  button.addEventListener("click", () => {
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", isShown);
  });
}

let isSent = false;
document.getElementById("setup").addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  isSent = true;
});
window.addEventListener("pageshow", () => { isSent = false; });

/** On the first visit time_zone.js has just set the cookie. The server knows all names of zones. */
async function askForZone(select) {
  const before = select.value;
  const response = await fetch(location.pathname);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = page.getElementById(select.id)?.value;
  if (found && select.value === before) select.value = found;
}

const zones = document.querySelector("select[data-ask-again]");
if (zones) askForZone(zones).catch(() => {}); // it stays as it is: the person chooses
