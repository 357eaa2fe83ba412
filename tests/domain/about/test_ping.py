"""XMPP Ping, XEP-0199, from either side."""

import pytest
from support.domains import Stage

from andiron.sm.config import SmConfig


@pytest.mark.parametrize("to", ["", " to='localhost'", " to='juliet@localhost'"])
async def test_a_client_pings(to):
    client = await Stage().bind("juliet", "balcony")
    reply = await client.ask(f"<iq type='get' id='p'{to}><ping xmlns='urn:xmpp:ping'/></iq>")
    assert (reply.get("type"), len(reply)) == ("result", 0)


@pytest.mark.parametrize("kind", ["result", "error"])
async def test_the_server_pings_a_silent_client_and_takes_its_answer(kind):
    stage = Stage(SmConfig(idle_probe=60, idle_timeout=30))
    client = await stage.bind("juliet", "balcony")
    stage.now += 61
    stage.manager.timers.run(stage.now)
    (ping,) = client.take()
    assert ping[0].tag == "{urn:xmpp:ping}ping"
    stage.now += 1
    client.send(f"<iq type='{kind}' id='{ping.get('id')}' to='localhost'/>")
    stage.now += 31
    stage.manager.timers.run(stage.now)
    assert client.session.state == "bound"
    assert client.take() == []
