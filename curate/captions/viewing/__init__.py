"""Images as a model is shown them: size, tiles, parts, corruptions."""
