"""What is known of sessions that can be resumed."""

import logging

from support.conversation import again, resumable
from support.sessions import World

from andiron.sm.config import SmConfig


def test_ids_are_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    juliet = resumable()
    juliet.world.lose(juliet.transport)
    again(juliet).talk("""
        C: <resume previd='{sm}' h='0'/>
        S: <resumed previd='{sm}' h='0'/>
    """)
    assert "resumed over websocket" in caplog.text
    assert juliet.known["sm"][:12] not in caplog.text


def test_a_session_is_resumed_over_another_kind_of_transport():
    juliet = resumable()
    world = juliet.world
    world.lose(juliet.transport)
    bosh = world.sign_in(kind="bosh")
    world.receive(bosh, f"<resume xmlns='urn:xmpp:sm:3' previd='{juliet.known['sm']}' h='0'/>")
    assert bosh.session is juliet.transport.session
    assert bosh.session.channel.kind == "bosh"


def test_what_expired_is_remembered_within_a_bound():
    world = World(SmConfig(remember_expired=3))
    gone = [resumable(world=world) for _ in range(5)]
    for juliet in gone:
        world.lose(juliet.transport)
        world.pass_time(1)
    world.pass_time(600)
    told = []
    for juliet in gone:
        back = again(juliet)
        world.receive(
            back.transport,
            f"<resume xmlns='urn:xmpp:sm:3' previd='{juliet.known['sm']}' h='0'/>",
        )
        told.append("h='0'" in back.transport.take()[0])
    assert told == [False, False, True, True, True]
