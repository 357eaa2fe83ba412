"""Accounts that move from server to server: XEP-0227, written and read."""
