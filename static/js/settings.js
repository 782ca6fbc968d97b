// The settings: whether this browser may show notices, and the button that asks it.

const place = document.getElementById("permission");

function show() {
  const answer = "Notification" in window && isSecureContext ? Notification.permission : "none";
  for (const words of place.children) words.hidden = words.dataset.permission !== answer;
}

document.getElementById("allow").addEventListener("click", async () => {
  await Notification.requestPermission();
  show();
});

show();
