"""The studio: composer, form, uploads, reuse of settings, similar images, prompt history."""
