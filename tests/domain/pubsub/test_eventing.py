"""What the rest of the domain may publish for an account."""

import pytest
from support.domains import settle
from support.pep import PAYLOAD

from andiron.xmpp.errors import StanzaError

NODE = "urn:n"
ME = "juliet@localhost"


async def test_the_server_publishes_for_an_account(stage, juliet, romeo):
    romeo.wants(NODE)
    await settle()
    romeo.events()
    pubsub = stage.domain.pubsub
    options = {"pubsub#access_model": "open"}
    assert await pubsub.publish(ME, NODE, "1", PAYLOAD, options, 1_000.0) == "1"
    assert romeo.events() == [(ME, NODE, "1")]
    last = await pubsub.last_item(ME, NODE)
    assert (last.id, last.publisher, last.stamp, last.payload) == ("1", "", 1_000.0, PAYLOAD)
    assert (await juliet.items(NODE)).get("type") == "result"


async def test_of_who_is_away_and_of_who_is_not_there(stage, juliet, romeo):
    pubsub = stage.domain.pubsub
    juliet.client.leave()
    stage.domain.owners.forget(ME)
    romeo.wants(NODE)
    await settle()
    assert await pubsub.publish(ME, NODE, "1", PAYLOAD, {}, 1.0) == "1"
    assert romeo.events() == [(ME, NODE, "1")]
    assert (await pubsub.last_item(ME, NODE)).id == "1"
    assert await pubsub.last_item(ME, "urn:other") is None
    for attempt in (
        pubsub.publish("no@localhost", NODE, "1", PAYLOAD, {}, 1.0),
        pubsub.last_item("no@localhost", NODE),
    ):
        with pytest.raises(StanzaError):
            await attempt


async def test_options_that_are_not_met(stage, juliet):
    await juliet.publish(NODE, "1")
    options = {"pubsub#access_model": "open"}
    with pytest.raises(StanzaError, match="conflict"):
        await stage.domain.pubsub.publish(ME, NODE, "2", PAYLOAD, options, 1.0)
    assert (await stage.domain.pubsub.last_item(ME, NODE)).id == "1"


async def test_an_account_removed_while_it_publishes(stage, juliet, monkeypatch):
    """What belongs to no account is refused, not kept and no failure."""
    with stage.database.engine.begin() as connection:
        connection.exec_driver_sql("delete from accounts where username = 'juliet'")
    assert (await juliet.publish(NODE)).get("type") == "error"
