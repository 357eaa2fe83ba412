"""What an account tells of itself, or keeps for itself."""
