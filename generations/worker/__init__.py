"""The wing that moves rows. Every task may run twice, late or never; the rows are the truth."""
