"""People: the list, invitations and their acceptance, and what happens when someone leaves."""
