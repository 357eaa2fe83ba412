"""The fixtures, as a site has them that says nothing of its own."""

from andiron.testing.fixtures import chat, chat_client

__all__ = ["chat", "chat_client"]


async def test_there_is_an_application_and_people_talk(chat_client):
    alice, bob = await chat_client("alice"), await chat_client("bob")
    await alice.send("bob", "hello")
    assert (await bob.receive()).body == "hello"


async def test_another_test_has_another(chat, chat_client):
    assert await chat.domain.accounts.names() == []
