"""How sessions meet their bounds: of what may wait, and of silence."""

import pytest
from support.conversation import (
    EXPIRED,
    STANZAS,
    Conversation,
    again,
    bound,
    closed_with,
    deliver,
    resumable,
    undelivered,
)
from support.sessions import World

from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason, StreamOpen
from andiron.sm.payers import size_of
from andiron.sm.session import State

MESSAGE = "<message xmlns='jabber:client' id='1'/>"


# Bounds


@pytest.mark.parametrize("alive", [True, False], ids=["attached", "hibernating"])
@pytest.mark.parametrize(
    ("config", "fits"),
    [
        (SmConfig(queue_stanzas=3), ["1", "2", "3"]),
        (SmConfig(queue_bytes=3 * size_of(MESSAGE)), ["1", "2", "3"]),
        # One wide character makes each of the others take four bytes of memory.
        (SmConfig(queue_bytes=5 * size_of(MESSAGE)), ["1", "\U0001f434"]),
    ],
)
def test_a_full_queue_ends_the_session_and_loses_nothing(config, fits, alive, caplog):
    juliet = resumable(config)
    world = juliet.world
    if not alive:
        world.lose(juliet.transport)
    deliver(juliet, *fits)
    juliet.transport.take()
    assert undelivered(world) == []
    deliver(juliet, "x", "y")
    assert [text[-4] for text in undelivered(world)] == [*fits, "x", "y"]
    assert world.manager.closed == {CloseReason.QUEUE_FULL: 1}
    assert f"{len(fits) + 1} stanzas" in caplog.text
    if alive:
        assert "<resource-constraint " in closed_with(juliet)
    again(juliet).talk(
        f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <failed h='0'><item-not-found xmlns='{STANZAS}'/>{EXPIRED}</failed>
    """
    )


def test_acknowledged_stanzas_make_room():
    juliet = resumable(SmConfig(queue_stanzas=2, queue_bytes=2 * size_of(MESSAGE)))
    for number in range(0, 20, 2):
        deliver(juliet, "x", "y")
        juliet.transport.take()
        juliet.talk(f"C: <a h='{number + 2}'/>")
    assert undelivered(juliet.world) == []


def test_reading_pauses_while_too_much_waits_for_the_backend():
    juliet = resumable(SmConfig(pending=4))
    backend = juliet.world.backend
    backend.deferring = True
    for _ in range(3):
        juliet.talk("C: <message to='a@localhost'/>")
    assert not juliet.transport.paused
    juliet.talk("C: <message to='a@localhost'/>")
    assert juliet.transport.paused
    for _ in range(4):
        backend.route_deferred()
    backend.settle()
    assert juliet.transport.paused
    backend.settle()
    assert not juliet.transport.paused


# Without stream management


def test_what_the_network_never_took_goes_another_way():
    for end in ("loss", "error", "kick", "close"):
        juliet = bound()
        world, session = juliet.world, juliet.transport.session
        deliver(juliet, "one", "two", "three")
        juliet.transport.buffered = juliet.transport.take()[1:]
        waiting = list(juliet.transport.buffered)
        if end == "loss":
            world.lose(juliet.transport)
        elif end == "error":
            world.receive(juliet.transport, "<unknown xmlns='jabber:client'/>")
        elif end == "kick":
            world.manager.kick(session.link.jid, world.now)
        else:
            session.client_closed(world.now)
        assert undelivered(world) == waiting
        deliver(juliet, "four")
        assert len(undelivered(world)) == 3, "what comes for an ended session, too"


# Silence


def silence(config: SmConfig, *script: str) -> Conversation:
    """Return a conversation that said nothing for so long that the probe is due now."""
    juliet = bound(config)
    for line in script:
        juliet.talk(line)
    juliet.world.pass_time(config.idle_probe - 1)
    juliet.talk("")
    juliet.world.pass_time(1)
    return juliet


PING = """
    S: <iq type='get' from='localhost' to='juliet@localhost/0' id='{ping}'>
    <ping xmlns='urn:xmpp:ping'/></iq>
""".replace("\n    <ping", "<ping")
ENABLE = "C: <enable resume='true'/>\nS: <enabled id='{sm}' resume='true' max='600'/>"


def test_a_silent_client_without_stream_management_is_pinged_and_dropped():
    juliet = silence(SmConfig(idle_probe=60, idle_timeout=30))
    juliet.talk(PING)
    juliet.world.pass_time(29)
    assert juliet.transport.session.state is State.BOUND
    juliet.world.pass_time(1)
    assert juliet.transport.aborted
    assert juliet.world.manager.closed == {CloseReason.DEAD_PEER: 1}


def test_a_silent_client_with_stream_management_is_asked_and_dropped_to_resume():
    juliet = silence(SmConfig(idle_probe=60, idle_timeout=30), ENABLE)
    juliet.talk("S: <r/>")
    juliet.world.pass_time(29)
    assert juliet.transport.session.state is State.BOUND
    juliet.world.pass_time(1)
    assert juliet.transport.aborted
    assert juliet.transport.session.state is State.DETACHED
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='0'/>")


@pytest.mark.parametrize(
    ("script", "probe", "answer"),
    [
        ([], PING, "<iq type='result' id='{ping}'/>"),
        ([], PING, "<presence/>"),
        ([ENABLE], "S: <r/>", "<a h='0'/>"),
        ([ENABLE], "S: <r/>", "<presence/>"),
    ],
)
@pytest.mark.parametrize("after", [0, 29])
def test_any_sign_of_life_answers_a_probe(script, probe, answer, after):
    juliet = silence(SmConfig(idle_probe=60, idle_timeout=30, request_timeout=600), *script)
    juliet.talk(probe)
    juliet.world.pass_time(after)
    # Also within one tick of a clock that counts milliseconds.
    juliet.talk(f"C: {answer}")
    juliet.world.pass_time(59)
    juliet.talk("")
    juliet.world.pass_time(1)
    assert not juliet.transport.aborted
    assert len(juliet.transport.take()) == (0 if script and answer == "<presence/>" else 1)


def test_a_client_that_falls_silent_as_it_binds_is_probed_in_time():
    juliet = silence(SmConfig(idle_probe=60, negotiation_timeout=3600))
    juliet.talk(PING)


def test_a_client_that_speaks_is_not_probed():
    juliet = bound(SmConfig(idle_probe=60))
    for _ in range(10):
        juliet.world.pass_time(59)
        juliet.talk("C: <presence/>")


def test_probing_can_be_turned_off():
    juliet = bound(SmConfig(idle_probe=0))
    juliet.world.pass_time(100_000)
    juliet.talk("")
    assert juliet.transport.session.state is State.BOUND


def test_a_hibernating_client_is_not_probed():
    juliet = resumable(SmConfig(max=600, idle_probe=60, idle_timeout=30))
    juliet.world.lose(juliet.transport)
    juliet.world.pass_time(599)
    assert juliet.transport.session.state is State.DETACHED


@pytest.mark.parametrize("signed_in", [True, False])
def test_negotiation_is_bounded_in_time(signed_in):
    world = World(SmConfig(negotiation_timeout=30))
    transport = world.connect()
    world.pass_time(20)
    if signed_in:
        world.receive(transport, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
        transport.session.open_stream(StreamOpen("localhost", "1.0"), world.now)
    world.pass_time(9)
    assert not transport.closed
    world.pass_time(1)
    assert "<connection-timeout " in transport.closed.to_xml()
    assert world.manager.closed == {CloseReason.NEGOTIATION_TIMEOUT: 1}
