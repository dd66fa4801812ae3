"""Documents into an index, and the right passage out of it."""
