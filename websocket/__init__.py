"""XMPP over WebSocket, RFC 7395."""
