"""The session iq of RFC 3921."""

import pytest
from support.domains import Stage

SESSION = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"


@pytest.mark.parametrize("to", ["", " to='localhost'"])
async def test_a_session_is_granted_after_bind(to):
    client = await Stage().bind()
    reply = await client.ask(f"<iq type='set' id='s'{to}>{SESSION}</iq>")
    assert (reply.get("type"), reply.get("id"), len(reply)) == ("result", "s", 0)
