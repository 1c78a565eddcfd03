"""How the worse side of a preference pair is made and chosen."""
