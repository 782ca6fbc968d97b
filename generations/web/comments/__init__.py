"""Comments on images: their text, and the section below an image."""
