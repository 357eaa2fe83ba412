"""The language of a body that opens a stream is the stream's (XEP-0124 section 7.1)."""

import pytest
from support.bosh import OPEN, BoshWorld


@pytest.mark.parametrize(
    ("created", "restarted", "expected"),
    [("de", None, "de"), ("de", "fr", "fr"), (None, "fr", "fr"), (None, None, "")],
)
def test_a_stream_has_the_language_of_its_session_or_its_own(created, restarted, expected):
    world = BoshWorld()
    client = world.client(xml_lang=created)
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    client.rid += 1
    lang = f" xml:lang='{restarted}'" if restarted else ""
    world.post(
        f"{OPEN} rid='{client.rid}' sid='{client.sid}' to='localhost'{lang} xmpp:restart='true'"
        " xmlns:xmpp='urn:xmpp:xbosh'/>"
    )
    assert client.connection.session.link.language == expected
