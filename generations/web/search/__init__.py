"""Search on every page: images, collections, people, tags, pages and actions."""
