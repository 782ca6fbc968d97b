"""Background loops that advance rows. Every task may run twice, late or never."""
