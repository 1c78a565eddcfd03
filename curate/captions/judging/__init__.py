"""What judges are asked, and whether they may be believed."""
