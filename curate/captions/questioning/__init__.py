"""Questions about an image, and whether an answer is right."""
