"""OpenAI's image API: one POST, answered with the images (docs/engines.md, section 3)."""
