"""Documents that are read a piece at a time, and those that are refused."""

import pytest

from andiron.domain.portability.document import Closed, Document, DocumentError, Opened, Record

HEAD = "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
TAIL = "</host></server-data>"
XI = "xmlns:xi='http://www.w3.org/2001/XInclude'"


@pytest.fixture
def read(tmp_path):
    def read(text, max_record=1000, **others):
        main = tmp_path / "main.xml"
        main.write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, content in others.items():
            (tmp_path / f"{name}.xml").write_text(content)
        return list(Document(main, max_record))

    return read


def local(event):
    match event:
        case Opened(tag):
            return f"<{tag.rpartition('}')[2]}>"
        case Closed(tag):
            return f"</{tag.rpartition('}')[2]}>"
        case Record(parent, _, tree):
            return f"{parent.rpartition('}')[2]}/{tree.tag.rpartition('}')[2]}"


def test_containers_and_records(read):
    events = read(
        f"{HEAD}<user name='romeo'><vCard xmlns='vcard-temp'><FN>R</FN></vCard>"
        "<offline-messages><message/><message/></offline-messages>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item/></items></pubsub>"
        f"</user>{TAIL}"
    )
    assert [local(event) for event in events] == [
        "<server-data>",
        "<host>",
        "<user>",
        "user/vCard",
        "<offline-messages>",
        "offline-messages/message",
        "offline-messages/message",
        "</offline-messages>",
        "<pubsub>",
        "<items>",
        "items/item",
        "</items>",
        "</pubsub>",
        "</user>",
        "</host>",
        "</server-data>",
    ]
    assert events[10].attributes == {"node": "n"}
    assert events[3].place == "main.xml, line 1"


def test_what_is_included_stands_where_it_is_included(read):
    events = read(
        f"<server-data xmlns='urn:xmpp:pie:0' {XI}><xi:include href='host.xml'/></server-data>",
        host=f"<host xmlns='urn:xmpp:pie:0' {XI} jid='localhost'><xi:include href='user.xml'/>"
        "<user name='after'/></host>",
        user=f"<user xmlns='urn:xmpp:pie:0' {XI} name='romeo'>"
        "<xi:include href='vcard.xml'/></user>",
        vcard="<vCard xmlns='vcard-temp'/>",
    )
    assert [local(event) for event in events] == [
        "<server-data>",
        "<host>",
        "<user>",
        "user/vCard",
        "</user>",
        "<user>",
        "</user>",
        "</host>",
        "</server-data>",
    ]


def test_within_the_users_own_data_nothing_is_included(read):
    events = read(
        f"{HEAD}<user name='romeo'><query xmlns='jabber:iq:private'>"
        f"<xi:include {XI} href='secret.xml'/></query></user>{TAIL}"
    )
    assert [local(each) for each in events if isinstance(each, Record)] == ["query/include"]


@pytest.mark.parametrize(
    "href",
    [
        "/etc/passwd",
        "../main.xml",
        "folder/../../x.xml",
        "%2e%2e/x.xml",
        "file:///etc/passwd",
        "http://127.0.0.1/x.xml",
        "//host/x.xml",
        "main.xml?x",
        "main.xml#x",
        "link.xml",
        "",
        "a%00b.xml",
        "..\\\\x.xml",
    ],
)
def test_files_elsewhere_are_not_included(read, tmp_path, href):
    outside = tmp_path.parent / "outside.xml"
    outside.write_text("<host xmlns='urn:xmpp:pie:0' jid='localhost'/>")
    (tmp_path / "link.xml").symlink_to(outside)
    with pytest.raises(DocumentError, match=r"main.xml, line 1: .* cannot be included"):
        read(f"<server-data xmlns='urn:xmpp:pie:0' {XI}><xi:include href='{href}'/></server-data>")


def test_an_inclusion_has_no_other_attributes(read):
    with pytest.raises(DocumentError, match="cannot be included"):
        read(
            f"<server-data xmlns='urn:xmpp:pie:0' {XI}>"
            "<xi:include href='main.xml' parse='text'/></server-data>"
        )


def test_a_document_that_includes_itself_comes_to_an_end(read):
    with pytest.raises(DocumentError, match="begins with <server-data/>"):
        read(
            f"<server-data xmlns='urn:xmpp:pie:0' {XI}><xi:include href='main.xml'/></server-data>"
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: no element found."),
        ("<a", "line 1: unclosed token."),
        (HEAD, "line 1: no element found."),
        (f"{HEAD}\n<user name='a'></host>", "line 2: mismatched tag."),
        ("<html/>", "line 1: this is not a document of XEP-0227: it begins with <html/>."),
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]><server-data xmlns='urn:xmpp:pie:0'/>",
            "line 1: a document type declaration is not allowed.",
        ),
        (f"{HEAD}<user name='a'>&nbsp;</user>{TAIL}", "line 1: undefined entity."),
        (
            f"{HEAD}<user name='a'>{'<x>' * 200}{'</x>' * 200}</user>{TAIL}",
            "line 1: elements are nested deeper than 128.",
        ),
        (
            f"{HEAD}\n<user name='a'><x>{'y' * 1001}</x></user>{TAIL}",
            "line 2: an element is larger than 1000 bytes.",
        ),
        (
            f"{HEAD}<user name='a'><x>{'y' * 300_000}",
            "line 1: an element is larger than 1000 bytes.",
        ),
        (
            f"{HEAD}<user name='a{'y' * 300_000}'/>",
            "an element is larger than 1000 bytes.",
        ),
        (b"<server-data xmlns='urn:xmpp:pie:0'>\xff</server-data>", "not well-formed"),
    ],
)
def test_unsound_documents(read, text, reason):
    with pytest.raises(DocumentError) as error:
        read(text)
    assert reason in str(error.value)
    assert str(error.value).startswith("main.xml, line ")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DocumentError, match=r"gone.xml cannot be read: No such file"):
        list(Document(tmp_path / "gone.xml", 1000))


def test_long_documents_take_little_memory(tmp_path):
    """A hundred times the bound of a record passes, one record at a time."""
    path = tmp_path / "long.xml"
    with path.open("w") as file:
        file.write(f"{HEAD}<user name='a'><archive xmlns='urn:xmpp:pie:0#mam'>")
        for _ in range(10_000):
            file.write("<result>0123456789</result>\n")
        file.write(f"</archive></user>{TAIL}")
    waiting = 0
    for number, event in enumerate(iter(Document(path, 1000))):
        waiting = max(waiting, number)
        assert isinstance(event, Opened | Record | Closed)
    assert waiting == 10_000 + 7
