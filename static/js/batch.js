// The page of a batch: tells the refresh of app.js which rows are open, and how they were shown.

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt?.id !== "poller") return;
  const rows = [...document.querySelectorAll("[data-open-row]")];
  const stamps = rows.map((row) => `${row.id.replace("row-", "")}.${row.dataset.stamp}`);
  event.detail.parameters.rows = stamps.join(",");
});
