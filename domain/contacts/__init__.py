"""Whom an account knows, sees and does not want to hear of."""
