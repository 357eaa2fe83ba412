"""A real XMPP server behind Andiron, reached over TCP."""
