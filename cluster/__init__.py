"""Several processes, one chat: one of them is home, the others are doors that relay to it.

It knows ASGI and where processes meet, and nothing of XMPP.
"""
