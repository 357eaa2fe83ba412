"""Documents as other servers write them, and accounts that are refused."""

import asyncio
from base64 import b64encode
from dataclasses import replace

import pytest
from support.portability import CONFIG, Server

from andiron.domain.accounts.accounts import stored_keys
from andiron.domain.accounts.credentials import derive, verify_password
from andiron.domain.config import RosterConfig

PASSWORD = "<user name='romeo' password='secret'>"


def document(inner, host="localhost"):
    return f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'>{inner}</host></server-data>"


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


def scram(**changes):
    values = {
        "mechanism": "SCRAM-SHA-1",
        "count": "10000",
        "salt": "NTY5NGQxYjYtMTQzNy00MWZmLTliMmMtNDFmYzI3ZjUzNGI3",
        "server": "SzGOnlInuov4Mq9h+ukpsuhSGqA=",
        "stored": "2YvDbFN/FBJNmuEtU9/wxRYotGw=",
    } | changes
    return (
        "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='{mechanism}'>"
        "<iter-count>{count}</iter-count><salt>{salt}</salt><server-key>{server}</server-key>"
        "<stored-key>{stored}</stored-key></scram-credentials>"
    ).format(**values)


PROSODY = document(
    f"<user name='romeo'>{scram()}"
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<items node='nick'><item id='current'><nick xmlns='urn:x'>R</nick></item></items></pubsub>"
    "<archive xmlns='urn:xmpp:pie:0#mam'>"
    "<result xmlns='urn:xmpp:mam:2' id='vCTYANtgAT58sVsLhYSjnm1r'>"
    "<forwarded xmlns='urn:xmpp:forward:0'>"
    "<delay stamp='2026-11-22T16:44:55Z' xmlns='urn:xmpp:delay'/>"
    "<message xmlns='jabber:client' to='juliet@localhost' xml:lang='en' from='romeo@localhost/x'>"
    "<body>Call me but love</body></message></forwarded></result></archive>"
    "<query version='6' xmlns='jabber:iq:roster'>"
    "<item jid='nurse@localhost' subscription='none' ask='subscribe'/>"
    "<item jid='juliet@localhost' name='Juliet' subscription='both'><group>Friends</group></item>"
    "</query><presence type='subscribe' from='paris@localhost'/>"
    "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='nick'>"
    "<x xmlns='jabber:x:data' type='submit'><field type='text-single' var='pubsub#max_items'/>"
    "<field type='list-single' var='pubsub#access_model'/></x></configure></pubsub></user>"
)


async def test_prosody(server):
    report = await server.read(PROSODY)
    assert (server.problems, server.notes) == ([], [])
    assert (report.made, report.counts) == (1, {"contacts": 2, "messages": 1, "nodes": 1})
    exported = await server.export()
    assert scram() in exported
    assert "<item ask='subscribe' jid='nurse@localhost' subscription='none'/>" in exported
    assert "<presence xmlns='jabber:client' from='paris@localhost' to='romeo@localhost'" in exported
    assert "<field var='pubsub#access_model' type='list-single'><value>presence</value>" in exported
    assert "stamp='2026-11-22T16:44:55.000Z'/><message" in exported


async def test_what_another_run_of_its_migrator_repeats_comes_once(server):
    archive = PROSODY[PROSODY.index("<result") : PROSODY.index("</archive>")]
    later = archive.replace("16:44:55", "16:44:56").replace("but love", "Romeo")
    text = PROSODY.replace("</archive>", f"{later}{archive}{later}</archive>")
    assert (await server.read(text)).counts["messages"] == 2


EJABBERD = (
    "<offline-messages><message to='romeo@localhost' from='juliet@localhost/x' type='chat'"
    " xmlns='jabber:client'><archived by='romeo@localhost' id='17' xmlns='urn:xmpp:mam:tmp'/>"
    "<stanza-id by='romeo@localhost' id='17' xmlns='urn:xmpp:sid:0'/>"
    "<delay from='localhost' stamp='2026-11-22T16:43:21.651676Z' xmlns='urn:xmpp:delay'>Offline"
    " storage</delay><body>Wherefore?</body></message></offline-messages>"
    "<query xmlns='jabber:iq:privacy'><default name='Blocked contacts'/>"
    "<list name='Blocked contacts'>"
    "<item value='tybalt@localhost' type='jid' order='0' action='deny'/></list></query>"
    "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query></user>"
)


@pytest.mark.parametrize("spelt", ["localhost", "LocalHost"])
async def test_ejabberd_with_passwords(server, spelt):
    marked = EJABBERD.replace("by='romeo@localhost'", f"by='Romeo@{spelt}'")
    marked = marked.replace("from='localhost'", f"from='{spelt}'")
    report = await server.read(document(PASSWORD + marked))
    assert (server.problems, server.notes, report.made) == ([], [], 1)
    credentials = await server.accounts.credentials("romeo")
    assert verify_password(credentials, "secret")
    exported = await server.export()
    assert "value='tybalt@localhost'" in exported
    assert "<exodus xmlns='exodus:prefs'/>" in exported
    assert (
        "<body>Wherefore?</body>"
        "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='2026-11-22T16:43:21.652Z'/>"
    ) in exported
    assert "id='17'" not in exported


async def test_ejabberd_with_keys_which_it_encodes_twice(server):
    keys = scram(
        count="4096",
        salt="RHFwTW1DVTNMUUt0WG9CdDh5OXMrUT09",
        server="TDJmQnVucjFMdVFuSUVtYTV1b1BWTVBnSHpzPQ==",
        stored="RkdxTWJMam02Rnk0UUdlSUJxVGtWRnNRdjVvPQ==",
    )
    await server.read(document(f"<user name='romeo'>{keys}</user>"))
    found = await server.database.read(lambda connection: stored_keys(connection, "romeo"))
    keys = found["SCRAM-SHA-1"]
    assert (len(keys.salt), len(keys.stored_key), len(keys.server_key)) == (16, 20, 20)


async def test_a_password_goes_before_keys(server):
    await server.read(document(f"{PASSWORD}{scram()}</user>"))
    assert verify_password(await server.accounts.credentials("romeo"), "secret")


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ("<user name='romeo'/>", "romeo was not imported: there is neither a password nor a key"),
        ("<user name='a b@c' password='x'/>", "export.xml, line 1: 'a b@c' cannot be the name"),
        ("<user password='x'/>", "export.xml, line 1: '' cannot be the name"),
        ("<user name='romeo' password='\u0600'/>", "romeo was not imported: A password cannot"),
        (f"<user name='romeo'>{scram(count='1000')}</user>", "between 4096 and 10000000 iter"),
        (f"<user name='romeo'>{scram(count='9' * 5000)}</user>", "between 4096 and 10000000 iter"),
        (f"<user name='romeo'>{scram(salt='AA==')}</user>", "a salt or keys of a wrong size"),
        (f"<user name='romeo'>{scram(salt='A' * 1000)}</user>", "a salt or keys of a wrong size"),
        (f"<user name='romeo'>{scram(stored='AAAA')}</user>", "a salt or keys of a wrong size"),
        (
            f"<user name='romeo'>{scram(stored='?')}</user>",
            "cannot be decoded (export.xml, line 1)",
        ),
        (
            f"{PASSWORD}<query xmlns='jabber:iq:roster'><item jid='@'/></query></user>",
            "romeo was not imported: not an address: the domainpart is empty (export.xml, line 1).",
        ),
        (
            f"{PASSWORD}<query xmlns='jabber:iq:roster'><item/></query></user>",
            "has no jid (export.xml, line 1)",
        ),
        (
            f"{PASSWORD}<query xmlns='jabber:iq:roster'>"
            "<item jid='a@b'/><item jid='b@b'/><item jid='c@b'/></query></user>",
            "more than 2 contacts",
        ),
        (
            f"{PASSWORD}<archive xmlns='urn:xmpp:pie:0#mam'>"
            "<result xmlns='urn:xmpp:mam:2'/></archive></user>",
            "an archived message has no message in it",
        ),
        (
            f"{PASSWORD}<offline-messages><message><delay xmlns='urn:xmpp:delay' stamp='today'/>"
            "</message></offline-messages></user>",
            "a message does not say its time",
        ),
    ],
)
async def test_accounts_that_are_refused(tmp_path, inner, sentence):
    server = Server(tmp_path, config=replace(CONFIG, roster=RosterConfig(max_contacts=2)))
    report = await server.read(document(inner + "<user name='nurse' password='x'/>"))
    (problem,) = server.problems
    assert sentence in problem
    assert (report.made, report.problems) == (1, 1)
    assert await server.accounts.names() == ["nurse"]


async def test_what_is_unknown_is_left_out_and_said_once(server):
    await server.read(document(f"{PASSWORD}<x xmlns='urn:x'/><x xmlns='urn:x'/></user>"))
    assert server.notes == ["romeo: <x xmlns='urn:x'/> is unknown and was left out."]
    assert await server.accounts.names() == ["romeo"]


async def test_another_domain(server):
    report = await server.read(document(f"{PASSWORD}</user>", host="elsewhere.example"))
    assert "the accounts of 'elsewhere.example' cannot be those of localhost" in server.problems[0]
    assert report.made == 0


async def test_accounts_before_the_end_of_a_torn_file_are_taken(server):
    text = document(f"{PASSWORD}</user><user name='nurse' password='x'><vCard")
    await server.read(text[: text.index("<vCard") + 6])
    assert await server.accounts.names() == ["romeo"]
    assert "What comes after that was not read." in server.problems[0]


async def test_an_account_that_exists(server):
    await server.accounts.create("romeo", "old")
    text = document(PASSWORD + EJABBERD)
    report = await server.read(text)
    assert "there is such an account already; --merge" in server.problems[0]
    assert report.made == 0
    report = await server.read(text, merge=True)
    assert (report.made, report.merged, report.counts["messages"]) == (0, 1, 1)
    assert verify_password(await server.accounts.credentials("romeo"), "old")


async def test_merging_changes_nothing_that_is_there(server):
    def user(name, private, blocked):
        return document(
            f"{PASSWORD}<query xmlns='jabber:iq:roster'><item jid='a@b' name='{name}'/></query>"
            f"<query xmlns='jabber:iq:private'><p xmlns='urn:p'>{private}</p></query>"
            f"<vCard xmlns='vcard-temp'><FN>{name}</FN></vCard>"
            f"<blocklist xmlns='urn:xmpp:blocking'><item jid='{blocked}'/></blocklist></user>"
        )

    await server.read(user("One", "first", "x@y"))
    await server.read(user("Two", "second", "z@y"), merge=True)
    exported = await server.export()
    assert "Two" not in exported
    assert "second" not in exported
    assert "value='x@y'" in exported
    assert "value='z@y'" in exported


async def test_nodes_that_nobody_describes_are_their_owners_alone(server):
    await server.read(
        document(
            f"{PASSWORD}<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'>"
            "<item id='1'/></items></pubsub></user>"
        )
    )
    assert "its owner's alone" in server.notes[0]
    assert "<value>whitelist</value>" in await server.export()


async def test_others_grant_nothing_to_who_does_not_know_of_it(server):
    contacts = (
        "<query xmlns='jabber:iq:roster'><item jid='romeo@localhost' subscription='{}'/></query>"
    )
    text = f"<user name='{{}}' password='x'>{contacts}</user>"
    known = (
        "<query xmlns='jabber:iq:roster'><item jid='nurse@localhost' subscription='to'/></query>"
    )
    await server.read(
        document(
            text.format("juliet", "both")
            + text.format("nurse", "from")
            + f"{PASSWORD}{known}</user>"
        )
    )
    exported = await server.export()
    assert "<item jid='romeo@localhost' subscription='none'/>" in exported
    assert "<item jid='romeo@localhost' subscription='from'/>" in exported


async def test_stanzas_over_the_limit_are_refused(server):
    big = document(f"{PASSWORD}<x xmlns='urn:x'>{'y' * 100_000}</x></user>")
    await server.read(big, max_stanza=1000)
    assert "an element is larger than 67536 bytes" in server.problems[0]


def test_many_passwords_are_hashed(server):
    users = "".join(f"<user name='u{number}' password='p{number}'/>" for number in range(20))
    report = asyncio.run(server.read(document(users)))
    assert report.made == 20
    keys = asyncio.run(server.accounts.credentials("u7"))
    assert verify_password(keys, "p7")
    assert derive("p7", 4096).keys.keys() == keys.keys.keys()


async def test_who_has_keys_of_one_mechanism_alone_can_sign_in(server):
    assert await server.accounts.mechanisms() == ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1")
    keys = derive("secret", 4096).keys["SCRAM-SHA-1"]
    one = scram(
        count="4096",
        salt=b64encode(keys.salt).decode(),
        server=b64encode(keys.server_key).decode(),
        stored=b64encode(keys.stored_key).decode(),
    )
    await server.accounts.create("juliet", "other")
    await server.read(document(f"<user name='romeo'>{one}</user>"))
    assert await server.accounts.mechanisms() == ("SCRAM-SHA-1",)
    credentials = await server.accounts.credentials("romeo")
    assert verify_password(credentials, "secret")
    assert not verify_password(credentials, "other")
    await server.accounts.set_password("romeo", "secret")
    assert len(await server.accounts.mechanisms()) == 3


@pytest.mark.parametrize("other", ["xn--mnchen-3ya.example", "M\xfcnchen.Example."])
async def test_a_domain_and_addresses_that_are_spelled_otherwise(tmp_path, other):
    config = replace(CONFIG, domain="m\xfcnchen.example")
    server = Server(tmp_path, config=config)
    text = document(
        "<user name='romeo' password='secret'>"
        f"<query xmlns='jabber:iq:roster'><item jid='juliet@{other}' subscription='both'/></query>"
        "<offline-messages>"
        f"<message xmlns='jabber:client' from='juliet@{other}/x' to='romeo@{other}'>"
        f"<delay xmlns='urn:xmpp:delay' from='{other}' stamp='2026-11-22T16:44:55Z'/>"
        "<body>Hark</body></message></offline-messages>"
        "<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='x'>"
        "<forwarded xmlns='urn:xmpp:forward:0'>"
        "<delay stamp='2026-11-22T16:44:55Z' xmlns='urn:xmpp:delay'/>"
        f"<message xmlns='jabber:client' from='romeo@{other}/x' to='juliet@{other}'>"
        f"<body>Call</body><stanza-id xmlns='urn:xmpp:sid:0' by='romeo@{other}' id='x'/></message>"
        "</forwarded></result></archive>"
        f"<blocklist xmlns='urn:xmpp:blocking'><item jid='paris@{other}'/></blocklist>"
        "<prefs xmlns='urn:xmpp:mam:2' default='always'>"
        f"<never><jid>paris@{other}</jid></never></prefs></user>",
        other,
    )
    await server.read(text)
    assert (server.problems, server.notes) == ([], [])
    exported = await server.export()
    assert other not in exported
    assert exported.count("@m\xfcnchen.example") == 7
    assert "stanza-id" not in exported
