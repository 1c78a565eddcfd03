"""What an export says about itself: where each column comes from, as a dataset card and as Croissant."""
