"""Questions about a picture, and whether an answer is right."""
