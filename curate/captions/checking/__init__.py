"""What a text claims, compared with what experts measured; see README.md for the English that is read."""
