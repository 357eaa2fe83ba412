"""Entity Time, XEP-0202."""

from datetime import datetime, timedelta

import pytest
from support.domains import Stage

from andiron.domain.about.entity_time import zone_offset
from andiron.xmpp.stanza import timestamp

TAG = "{urn:xmpp:time}"


async def test_the_domains_time():
    stage = Stage()
    client = await stage.bind()
    reply = await client.ask(
        "<iq type='get' id='t' to='localhost'><time xmlns='urn:xmpp:time'/></iq>"
    )
    (answer,) = reply
    assert answer.findtext(TAG + "utc") == timestamp(stage.wall(stage.now))
    offset = answer.findtext(TAG + "tzo") or ""
    local = datetime.fromtimestamp(stage.wall(stage.now)).astimezone()
    assert local.strftime("%z") == offset.replace(":", "")


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (timedelta(0), "+00:00"),
        (timedelta(hours=2), "+02:00"),
        (timedelta(hours=5, minutes=45), "+05:45"),
        (-timedelta(hours=3, minutes=30), "-03:30"),
        (-timedelta(minutes=30), "-00:30"),
        (timedelta(hours=14), "+14:00"),
    ],
)
def test_zone_offsets(offset, text):
    assert zone_offset(offset) == text
