// The page of the restart: opens the studio once this address leads there, which it does only
// when the processes use the new key.

const RETRY_MS = 2000;

async function openWhenReady() {
  try {
    const response = await fetch(location.href, { cache: "no-store" });
    if (response.ok && response.redirected) {
      location.assign(response.url);
      return;
    }
  } catch {
    // The server is restarting.
  }
  setTimeout(openWhenReady, RETRY_MS);
}

setTimeout(openWhenReady, RETRY_MS);
