"""The wing that shows rows. It never calls the upstream and never waits for anything."""
