"""Many requests at once: the form with its preview, the page of a batch, and its card."""
