"""For a site's own tests: its chat runs without a port, and its people are clients in memory."""

from andiron.testing.client import ChatClient, StreamEndedError, sign_in
from andiron.testing.running import SignIn, running
from andiron.testing.stanza import Stanza

__all__ = ["ChatClient", "SignIn", "Stanza", "StreamEndedError", "running", "sign_in"]
