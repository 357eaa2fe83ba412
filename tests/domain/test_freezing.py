"""What the domain writes down of a resource."""

from dataclasses import fields

from support.domains import Stage

from andiron.domain.freezing import FrozenClient


async def test_what_is_written_down_is_what_is_read():
    client = await Stage().come("juliet", "balcony", sm=True)
    written = client.link.freeze()
    assert list(written) == [field.name for field in fields(FrozenClient)]
    assert FrozenClient.of(written).presence == client.link.presence


def test_what_earlier_versions_wrote_down_is_read():
    earlier = {"presence": "<presence/>", "copied_since": 1.0, "inherited": {"a": True}}
    assert FrozenClient.of(earlier).presence == "<presence/>"
