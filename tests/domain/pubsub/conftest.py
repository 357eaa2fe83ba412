"""Juliet and Romeo, who see each other's presence, and a stranger."""

import pytest
from slixmpp.plugins.xep_0004.stanza import FieldOption, Form, FormField
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import Stage
from support.pep import Person, friends

register_stanza_plugin(FormField, FieldOption, iterable=True)
register_stanza_plugin(Form, FormField, iterable=True)


@pytest.fixture
async def stage():
    stage = Stage()
    stage.add_account("tybalt")
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def pair(stage):
    return await friends(stage)


@pytest.fixture
async def juliet(pair):
    return pair[0]


@pytest.fixture
async def romeo(pair):
    return pair[1]


@pytest.fixture
async def tybalt(stage, pair):
    """Somebody who knows nobody."""
    return Person(await stage.come("tybalt", "street"))
