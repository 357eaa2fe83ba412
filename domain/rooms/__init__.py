"""Rooms: XEP-0045 Multi-User Chat at an address of its own."""
