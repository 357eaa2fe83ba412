"""The load generator: many XMPP clients that check what they get, and count.

It knows nothing of the server but its URL and its domain, and nothing of
Andiron. ``bench/xmppload.py`` is its command.
"""
