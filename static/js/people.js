// Buttons that copy an invitation link. Without this script the link is text to select.

for (const button of document.querySelectorAll("[data-copied]")) {
  const link = button.previousElementSibling;
  button.addEventListener("click", async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      document.execCommand("copy"); // without https there is no clipboard object
    }
    button.textContent = button.dataset.copied;
    button.removeAttribute("aria-label");
  });
}
