// Adds or uses a passkey when its form is sent: the server's options are in `data-options`, and the
// browser's answer goes into the field "credential".

const form = document.querySelector("form[data-passkey]");
const isCreation = form.dataset.passkey === "create";
const button = form.querySelector("button:not([type])");
const parse = window.PublicKeyCredential?.[
  isCreation ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON"
];

// Disabled until here: without this script, the form would be sent without a passkey.
button.disabled = !parse;
form.querySelector("[data-passkey-unsupported]").hidden = Boolean(parse);

async function askBrowser() {
  const { publicKey: options } = JSON.parse(form.dataset.options);
  const publicKey = parse.call(PublicKeyCredential, options);
  const { credentials } = navigator;
  return isCreation ? credentials.create({ publicKey }) : credentials.get({ publicKey });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const error = form.querySelector("[data-passkey-error]");
  error.hidden = true;
  button.disabled = true;
  try {
    const credential = await askBrowser();
    form.elements.credential.value = JSON.stringify(credential);
    form.submit(); // without this listener
  } catch {
    error.hidden = false; // canceled, timed out, or already added
  } finally {
    button.disabled = false;
  }
});
