"""What a text claims, held against what experts saw."""
