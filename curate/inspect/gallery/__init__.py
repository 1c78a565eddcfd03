"""A run in a browser: a grid of samples, thresholds to try, similar images, labels; docs/view.md has the addresses."""
