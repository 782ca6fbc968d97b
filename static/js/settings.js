// The settings page: shows whether this browser allows notifications, and asks for permission.

const container = document.getElementById("permission");

function showPermission() {
  const isSupported = "Notification" in window && isSecureContext;
  const permission = isSupported ? Notification.permission : "none";
  for (const message of container.children) {
    message.hidden = message.dataset.permission !== permission;
  }
}

document.getElementById("allow").addEventListener("click", async () => {
  await Notification.requestPermission();
  showPermission();
});

showPermission();
