"""Widths of the two previews, in pixels. No Django: the bare script of the benchmark reads them."""

THUMBNAIL_WIDTH = 512  # a tile at double pixel density
PREVIEW_WIDTH = 1280  # a whole screen
