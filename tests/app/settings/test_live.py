"""Settings that take effect while an application runs."""

import logging
import re
from pathlib import Path

from andiron import create_app
from andiron.settings import Settings
from andiron.settings.live import LIVE
from andiron.testing import running

DOC = Path(__file__).parents[3] / "docs" / "settings.md"


def test_they_are_settings_and_the_document_lists_them():
    assert set(Settings.model_fields) >= LIVE
    (told,) = re.findall(r"^These take effect on SIGHUP: (.*?)\.", DOC.read_text("utf-8"), re.M)
    assert re.findall(r"`(\w+)`", told) == sorted(LIVE)


async def test_what_can_takes_effect_and_the_rest_waits(caplog):
    caplog.set_level(logging.INFO, "andiron.audit")
    app = create_app(domain="example.org")
    async with running(app) as client:
        before = await client("alice")
        live, others = app.apply(
            app.settings.replaced(
                stream_management_active=False, admins=["alice"], max_stanza_size=20_000
            )
        )
        assert live == ["admins", "stream_management_active"]
        assert others == ["max_stanza_size"]
        assert app.settings.max_stanza_size == 262_144
        after = await client("bob")
        for one, answer in ((before, "enabled"), (after, "failed")):
            await one.write("<enable xmlns='urn:xmpp:sm:3'/>")
            assert (await one.next(lambda each: each.name in ("enabled", "failed"))).name == answer
        found = await before.ask(
            "<query xmlns='http://jabber.org/protocol/disco#items'"
            " node='http://jabber.org/protocol/commands'/>",
            to="example.org",
        )
        assert "announce" in found.text
    assert [each.getMessage() for each in caplog.records if each.name == "andiron.audit"] == [
        "The setting admins is alice@example.org now, and was none",
        "The setting stream_management_active is false now, and was true",
    ]
