"""What resources want to hear of, by their capabilities (XEP-0115)."""

from xml.etree.ElementTree import fromstring

import pytest
from slixmpp.plugins.xep_0030.stanza.info import DiscoInfo
from slixmpp.plugins.xep_0115.stanza import Capabilities
from slixmpp.stanza import Iq, Presence
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import Stage, settle
from support.pep import Person

from andiron.domain.about.caps import verification_string
from andiron.domain.pubsub.interest import read_info, wanted
from andiron.xmpp import namespaces as ns

QUERY = f"{{{ns.DISCO_INFO}}}query"


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


class Client(Person):
    """A client of which the test says what it announces and what it is."""

    def __init__(self, client):
        super().__init__(client)
        self.news = []
        client.stage.domain.interests.changed.append(self._changed)

    def _changed(self, link, added, now):
        if link is self.client.link:
            self.news.append(sorted(added))

    @property
    def interest(self):
        return sorted(self.client.stage.domain.interests.of(self.client.link))

    def announce(self, ver, hash_="sha-1", node="urn:client"):
        """Send capabilities; return the questions that come of it."""
        self.client.take()
        self.client.send(
            f"<presence><c xmlns='{ns.CAPS}' hash='{hash_}' node='{node}' ver='{ver}'/></presence>"
        )
        return [iq for iq in self.client.take() if iq.tag == "{jabber:client}iq"]


def hashed(*features):
    return verification_string([], features)


async def come(stage, name="juliet", resource="balcony"):
    return Client(await stage.bind(name, resource))


async def test_a_hash_is_asked_about_and_then_known(stage):
    one, other = await come(stage), await come(stage, "romeo")
    ver = hashed("a+notify", "b")
    (question,) = one.announce(ver)
    assert question[0].get("node") == f"urn:client#{ver}"
    assert one.interest == []
    one.tell(question, ["a+notify", "b"])
    assert (one.interest, one.news) == (["a"], [["a"]])
    assert other.announce(ver, node="urn:another") == []
    assert (other.interest, other.news) == (["a"], [["a"]])


async def test_capabilities_are_seen_in_whatever_spelling(stage):
    client = await come(stage)
    spelt = ns.CAPS.replace("caps", "c&#97;ps")
    client.client.send(f"<presence><c xmlns='{spelt}' hash='sha-1' node='n' ver='v'/></presence>")
    (question,) = [iq for iq in client.client.take() if iq.tag == "{jabber:client}iq"]
    assert question[0].get("node") == "n#v"


async def test_a_wrong_hash_speaks_for_its_own_client_alone(stage):
    liar, honest = await come(stage), await come(stage, "romeo")
    ver = hashed("a+notify")
    (question,) = liar.announce(ver)
    liar.tell(question, ["evil+notify"])
    assert liar.interest == ["evil"]
    (question,) = honest.announce(ver)
    honest.tell(question, ["a+notify"])
    assert honest.interest == ["a"]


@pytest.mark.parametrize("hash_", ["", "md5", "sha-256"])
async def test_a_hash_that_cannot_be_checked_is_not_believed_for_others(stage, hash_):
    one, other = await come(stage), await come(stage, "romeo")
    for client in (one, other):
        (question,) = client.announce("x", hash_)
        client.tell(question, ["a+notify"])
        assert client.interest == ["a"]


async def test_presence_again_asks_nothing_and_tells_nothing(stage):
    client = await come(stage)
    ver = hashed("a+notify")
    (question,) = client.announce(ver)
    assert client.announce(ver) == []
    client.tell(question, ["a+notify"])
    assert client.announce(ver) == []
    client.client.send("<presence><show>away</show></presence>")
    assert (client.interest, client.news) == (["a"], [["a"]])


async def test_what_changes_is_told(stage):
    client = await come(stage)
    for features in (["a+notify"], ["a+notify", "b+notify"], ["b+notify"], []):
        for question in client.announce(hashed(*features)):
            client.tell(question, features)
    assert client.interest == []
    assert client.news == [["a"], ["b"]]


async def test_who_leaves_and_comes_again_wants_all_again(stage):
    client = await come(stage)
    ver = hashed("a+notify")
    (question,) = client.announce(ver)
    client.tell(question, ["a+notify"])
    client.client.send("<presence type='unavailable'/>")
    assert client.interest == []
    assert client.announce(ver) == []
    assert client.news == [["a"], ["a"]]


async def test_an_answer_that_is_late_says_nothing(stage):
    client = await come(stage)
    (first,) = client.announce(hashed("a+notify"))
    (second,) = client.announce(hashed("b+notify"))
    client.tell(first, ["a+notify"])
    assert client.interest == []
    client.tell(second, ["b+notify"])
    assert client.interest == ["b"]
    (third,) = client.announce(hashed("c+notify"))
    client.client.send("<presence type='unavailable'/>")
    client.tell(third, ["c+notify"])
    assert client.interest == []


@pytest.mark.parametrize(
    "answer",
    ["<iq type='error' id='{}' to='localhost'/>", "<iq type='result' id='{}' to='localhost'/>"],
)
async def test_a_client_that_does_not_say(stage, answer):
    client = await come(stage)
    (question,) = client.announce(hashed("a+notify"))
    client.client.send(answer.format(question.get("id")))
    assert client.interest == []


@pytest.mark.parametrize(
    "c", ["", "node='n'", "ver='v'", f"node='{'n' * 1001}' ver='v'", f"node='n' ver='{'v' * 1001}'"]
)
async def test_capabilities_that_are_none(stage, c):
    client = await come(stage)
    client.client.send(f"<presence><c xmlns='{ns.CAPS}' hash='sha-1' {c}/></presence>")
    assert [stanza.tag for stanza in client.client.take()] == ["{jabber:client}presence"]


async def test_a_session_that_ends_leaves_nothing(stage):
    client = await come(stage)
    client.announce(hashed("a+notify"))
    client.client.leave()
    interests = stage.domain.interests
    assert (interests._caps, interests._nodes) == ({}, {})


async def test_a_bounded_number_of_hashes_is_known(stage, monkeypatch):
    monkeypatch.setattr("andiron.domain.pubsub.interest._KNOWN", 2)
    client = await come(stage)
    for feature in ("a+notify", "b+notify", "a+notify", "c+notify", "a+notify"):
        for question in client.announce(hashed(feature)):
            client.tell(question, [feature])
    assert client.announce(hashed("a+notify")) == []
    assert len(client.announce(hashed("b+notify"))) == 1


def test_only_so_many_nodes_are_wanted():
    inner = "".join(f"<feature var='{n}+notify'/>" for n in range(500))
    assert len(wanted(query(inner))) == 100
    assert wanted(query("<feature var='+notify'/>")) == frozenset()
    assert wanted(query(f"<feature var='{'n' * 1000}+notify'/><feature/>")) == frozenset()


def query(inner):
    return fromstring(f"<query xmlns='{ns.DISCO_INFO}'>{inner}</query>")


SIMPLE = """
    <identity category='client' name='Exodus 0.9.1' type='pc'/>
    <feature var='http://jabber.org/protocol/caps'/>
    <feature var='http://jabber.org/protocol/disco#info'/>
    <feature var='http://jabber.org/protocol/disco#items'/>
    <feature var='http://jabber.org/protocol/muc'/>
"""
COMPLEX = """
    <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
    <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
    <feature var='http://jabber.org/protocol/caps'/>
    <feature var='http://jabber.org/protocol/disco#info'/>
    <feature var='http://jabber.org/protocol/disco#items'/>
    <feature var='http://jabber.org/protocol/muc'/>
    <x xmlns='jabber:x:data' type='result'>
      <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
      <field var='ip_version'><value>ipv4</value><value>ipv6</value></field>
      <field var='os'><value>Mac</value></field>
      <field var='os_version'><value>10.5.1</value></field>
      <field var='software'><value>Psi</value></field>
      <field var='software_version'><value>0.11</value></field>
    </x>
"""


@pytest.mark.parametrize(
    ("inner", "ver"),
    [(SIMPLE, "QgayPKawpkPSDYmwT/WM94uAlu0="), (COMPLEX, "q07IKJEyjvHSyhy//CH0CxmKi8w=")],
)
def test_the_examples_of_the_specification(inner, ver):
    assert read_info(query(inner)) == ver


FORM = "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'{}>{}</field></x>"
HIDDEN = FORM.format(" type='hidden'", "<value>urn:a</value>")


@pytest.mark.parametrize(
    "inner",
    [
        "<feature var='a'/><feature var='a'/>",
        "<identity category='a' type='b'/><identity category='a' type='b'/>",
        HIDDEN + HIDDEN,
        FORM.format(" type='hidden'", "<value>urn:a</value><value>urn:b</value>"),
        "<feature var='a&lt;b'/>",
        "<identity category='a' type='b' name='&lt;'/>",
        FORM.format(" type='hidden'", "<value>a&lt;b</value>"),
        HIDDEN.replace("</x>", "<field var='os'><value>a&lt;b</value></field></x>"),
    ],
    ids=str,
)
def test_information_that_has_no_hash(inner):
    assert read_info(query(inner)) == ""


def test_a_form_without_a_type_does_not_count():
    plain = read_info(query(SIMPLE))
    assert read_info(query(SIMPLE + FORM.format("", "<value>urn:a</value>"))) == plain
    assert read_info(query(SIMPLE + HIDDEN)) != plain


async def test_slixmpp_announces_and_answers(stage):
    register_stanza_plugin(Presence, Capabilities)
    register_stanza_plugin(Iq, DiscoInfo)
    client = await come(stage)
    info = DiscoInfo()
    info.add_identity("client", "pc", name="Slixmpp")
    info.add_feature("urn:xmpp:avatar:metadata+notify")
    info.add_feature("urn:xmpp:ping")
    presence = Presence()
    presence["caps"]["node"] = "urn:slixmpp"
    presence["caps"]["hash"] = "sha-1"
    presence["caps"]["ver"] = read_info(info.xml)
    client.client.send(str(presence))
    await settle()
    (question,) = [Iq(xml=iq) for iq in client.client.take() if iq.tag == "{jabber:client}iq"]
    answer = Iq()
    answer["type"], answer["id"], answer["to"] = "result", question["id"], question["from"]
    info["node"] = question["disco_info"]["node"]
    answer.append(info)
    client.client.send(str(answer))
    assert client.interest == ["urn:xmpp:avatar:metadata"]
    other = await come(stage, "romeo")
    assert other.announce(read_info(info.xml)) == []
