"""Software Version, XEP-0092."""

from support.domains import Stage

QUERY = "<iq type='get' id='v' to='localhost'><query xmlns='jabber:iq:version'/></iq>"
TAG = "{jabber:iq:version}"


async def test_name_and_version():
    client = await Stage(software_name="A & B", software_version="1.2").bind()
    (query,) = await client.ask(QUERY)
    assert [(child.tag, child.text) for child in query] == [
        (TAG + "name", "A & B"),
        (TAG + "version", "1.2"),
    ]


async def test_a_version_that_is_not_told():
    client = await Stage().bind()
    (query,) = await client.ask(QUERY)
    assert query.findtext(TAG + "version") == ""
    assert query.find(TAG + "os") is None
