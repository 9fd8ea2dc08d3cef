"""The only way to a score: what is scored, on which batch, under which identity, and where."""
