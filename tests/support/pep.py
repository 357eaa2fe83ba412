"""People who publish, and see what their friends do."""

from typing import Any
from xml.etree.ElementTree import Element as Tree

from andiron.domain.about.caps import verification_string
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from support.domains import CLIENT, Client, Stage, settle

PUBSUB = f"{{{ns.PUBSUB}}}"
EVENT = f"{{{ns.PUBSUB_EVENT}}}"
AVATAR = ns.AVATAR_METADATA
TUNE = "http://jabber.org/protocol/tune"
PAYLOAD = "<x xmlns='urn:x'/>"


class Person:
    """A client that asks for what it wants, and counts what it gets."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jid = client.jid
        self.account = client.link.account
        self._rest: list[Tree] = []

    def wants(self, *nodes: str) -> None:
        """Send presence with capabilities that want some nodes, and answer when asked about it."""
        features = [f"{node}+notify" for node in nodes]
        ver = verification_string([], features)
        caps = f"<c xmlns='{ns.CAPS}' hash='sha-1' node='urn:client' ver='{ver}'/>"
        self.client.send(f"<presence>{caps}</presence>")
        for stanza in self.client.take():
            if stanza.tag == f"{CLIENT}iq":
                self.tell(stanza, features)
            else:
                self._rest.append(stanza)

    def tell(self, question: Tree, features: list[str]) -> None:
        """Answer a question about this client's features."""
        inner = "".join(f"<feature var='{escape(feature)}'/>" for feature in features)
        self.client.send(
            f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>"
            f"<query xmlns='{ns.DISCO_INFO}'>{inner}</query></iq>"
        )

    async def ask(self, kind: str, inner: str, to: str = "", namespace: str = ns.PUBSUB) -> Tree:
        """Ask something of publish-subscribe and return the answer."""
        return await self.iq(kind, f"<pubsub xmlns='{namespace}'>{inner}</pubsub>", to)

    async def iq(self, kind: str, payload: str, to: str = "") -> Tree:
        """Send a request and return its answer; events stay for :meth:`events`."""
        address = f" to='{to}'" if to else ""
        self.client.send(f"<iq type='{kind}' id='q'{address}>{payload}</iq>")
        await settle()
        answers = []
        for stanza in self.client.take():
            mine = stanza.tag == f"{CLIENT}iq" and stanza.get("id") == "q"
            (answers if mine else self._rest).append(stanza)
        (answer,) = answers
        return answer

    async def publish(
        self, node: str, item: str = "current", payload: str = PAYLOAD, **options: str
    ) -> Tree:
        """Publish an item, with publish-options if there are any."""
        identity = f" id='{escape(item)}'" if item else ""
        wanted = ""
        if options:
            form = submit("publish-options", **options)
            wanted = f"<publish-options>{form}</publish-options>"
        return await self.ask(
            "set",
            f"<publish node='{escape(node)}'><item{identity}>{payload}</item></publish>{wanted}",
        )

    async def items(self, node: str, to: str = "", attributes: str = "", inner: str = "") -> Tree:
        """Ask for a node's items."""
        return await self.ask("get", f"<items node='{escape(node)}'{attributes}/>{inner}", to)

    async def configure(self, node: str, **options: str) -> Tree:
        """Change a node's configuration."""
        form = submit("node_config", **options)
        return await self.ask(
            "set", f"<configure node='{escape(node)}'>{form}</configure>", namespace=ns.PUBSUB_OWNER
        )

    def events(self) -> list[tuple[str, str, str]]:
        """Return the events since the last call or request: from, node, and what about it."""
        stanzas, self._rest = [*self._rest, *self.client.take()], []
        return [
            (stanza.get("from", ""), child.get("node", ""), _what(child))
            for stanza in stanzas
            if (event := stanza.find(f"{EVENT}event")) is not None
            for child in event
        ]


def submit(kind: str, **options: str) -> str:
    fields = "".join(
        f"<field var='pubsub#{name}'><value>{value}</value></field>"
        for name, value in options.items()
    )
    return (
        f"<x xmlns='{ns.DATA}' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{ns.PUBSUB}#{kind}</value></field>{fields}</x>"
    )


def ids(answer: Tree) -> list[str | None]:
    """Return the ids of the items in an answer."""
    return [item.get("id") for item in answer.iter(f"{PUBSUB}item")]


async def befriend(one: Client, other: Client) -> None:
    """Let two people see each other."""
    for asker, asked in ((one, other), (other, one)):
        asker.send(f"<presence type='subscribe' to='{asked.link.account}'/>")
        await settle()
        asked.send(f"<presence type='subscribed' to='{asker.link.account}'/>")
        await settle()
    one.take(), other.take()


async def friends(stage: Stage) -> tuple[Person, Person]:
    """Return Juliet and Romeo, who see each other."""
    juliet = await stage.come("juliet", "balcony")
    romeo = await stage.come("romeo", "garden")
    await befriend(juliet, romeo)
    return Person(juliet), Person(romeo)


async def person(stage: Stage, name: str, resource: str, *wants: str, **options: Any) -> Person:
    """Return somebody who comes and wants some nodes, with all that brings still to be taken."""
    client = await stage.bind(name, resource, **options)
    someone = Person(client)
    someone.wants(*wants)
    await settle()
    return someone


def _what(child: Tree) -> str:
    if child.tag != f"{EVENT}items":
        return child.tag.removeprefix(EVENT)
    return " ".join(
        f"{'-' if item.tag == f'{EVENT}retract' else ''}{item.get('id')}" for item in child
    )
