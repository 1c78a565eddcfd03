"""A run as a static site: what filters did, what went wrong, what captions say; no server, no script."""
