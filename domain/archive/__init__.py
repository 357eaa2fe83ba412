"""What was said, and how it is asked for (XEP-0313)."""
