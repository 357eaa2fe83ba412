"""Contact addresses, XEP-0157."""

import pytest
from slixmpp.plugins.xep_0004.stanza import Form, FormField
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import Stage

from andiron.domain.config import ContactAddresses
from andiron.domain.registry import Target
from andiron.xmpp import namespaces as ns

register_stanza_plugin(Form, FormField, iterable=True)

ADDRESSES = ContactAddresses(
    abuse=("mailto:abuse@example.org", "xmpp:abuse@example.org?message;type=chat&x"),
    support=("https://example.org/help",),
)


async def disco(**config):
    stage = Stage(**config)
    client = await stage.bind()
    (query,) = await client.ask(
        f"<iq type='get' id='d' to='localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    await stage.domain.stop()
    return stage, query


async def test_the_domain_tells_them():
    _, query = await disco(contact_addresses=ADDRESSES)
    forms = [Form(xml=tree) for tree in query.findall(f"{{{ns.DATA}}}x")]
    told = [
        {var: field.get_value(convert=False) for var, field in form.get_fields().items()}
        for form in forms
    ]
    assert {
        "FORM_TYPE": [ns.SERVER_INFO],
        "abuse-addresses": list(ADDRESSES.abuse),
        "support-addresses": list(ADDRESSES.support),
    } in told
    assert {form["type"] for form in forms} == {"result"}


async def test_without_any_there_is_no_form():
    stage, query = await disco()
    assert ns.SERVER_INFO not in [value.text for value in query.iter(f"{{{ns.DATA}}}value")]
    assert ns.SERVER_INFO not in {
        form.form_type for form in stage.domain.registry.forms[Target.DOMAIN]
    }


@pytest.mark.parametrize(
    "role", ["abuse", "admin", "feedback", "sales", "security", "status", "support"]
)
async def test_every_role(role):
    _, query = await disco(contact_addresses=ContactAddresses(**{role: ("mailto:a@b.c",)}))
    assert f"{role}-addresses" in {field.get("var") for field in query.iter(f"{{{ns.DATA}}}field")}
