"""Accounts: passwords' keys, registration, removal, quota."""
