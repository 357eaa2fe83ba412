"""The embedded XMPP domain: accounts, authentication, presence and routing."""
