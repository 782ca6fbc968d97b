"""The pages. They read and write rows, but never call the upstream or wait for it."""
