"""What the domain tells of itself."""
