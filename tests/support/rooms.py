"""People in rooms, on the stage of the embedded domain."""

from typing import Any
from xml.etree.ElementTree import Element as Tree
from xml.etree.ElementTree import fromstring

from andiron.domain.config import RoomsConfig
from andiron.domain.rooms.room import Room
from andiron.sm.config import SmConfig
from andiron.xmpp import namespaces as ns
from support.domains import CLIENT, Client, Stage, settle

HOST = "conference.localhost"
ROOM = f"garden@{HOST}"
MUC = f"<x xmlns='{ns.MUC}'/>"
X = f"{{{ns.MUC_USER}}}x"
ITEM = f"{{{ns.MUC_USER}}}item"
STATUS = f"{{{ns.MUC_USER}}}status"
ADMIN_ITEM = f"{{{ns.MUC_ADMIN}}}item"


class RoomStage(Stage):
    """A stage with rooms; keyword arguments are those of :class:`RoomsConfig`."""

    def __init__(
        self, domain: dict[str, Any] | None = None, sm: SmConfig | None = None, **rooms: Any
    ) -> None:
        super().__init__(sm, rooms=RoomsConfig(**rooms), **domain or {})

    @property
    def room(self) -> Room:
        rooms = self.domain.rooms
        assert rooms is not None
        return rooms.by_name["garden"]

    def has_room(self, name: str = "garden") -> bool:
        assert self.domain.rooms is not None
        return name in self.domain.rooms.by_name

    async def person(self, name: str, resource: str = "here") -> Client:
        """Return a client of an account."""
        if name not in self.store.accounts:
            self.add_account(name)
        return await self.come(name, resource)

    async def open_room(self, owner: Client, nick: str = "Owner", **fields: Any) -> None:
        """Make a room; ``fields`` are those of its configuration, without their prefix."""
        enter(owner, nick)
        await settle()
        await configure(owner, **fields)
        owner.take()


def enter(client: Client, nick: str, *, room: str = ROOM, x: str = MUC, inner: str = "") -> None:
    client.send(f"<presence to='{room}/{nick}' id='enter'>{x}{inner}</presence>")


def leave(client: Client, nick: str = "me", *, room: str = ROOM) -> None:
    client.send(f"<presence to='{room}/{nick}' type='unavailable'/>")


def say(client: Client, body: str, *, room: str = ROOM, kind: str = "groupchat") -> None:
    client.send(f"<message to='{room}' type='{kind}' id='m'><body>{body}</body></message>")


def form(**fields: Any) -> str:
    """Return a submitted configuration form."""
    written = "".join(
        f"<field var='{name if '#' in name else 'muc#roomconfig_' + name}'>{_values(value)}</field>"
        for name, value in fields.items()
    )
    kind = f"<field var='FORM_TYPE'><value>{ns.MUC_ROOM_CONFIG}</value></field>" if fields else ""
    return f"<x xmlns='{ns.DATA}' type='submit'>{kind}{written}</x>"


def _values(value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    return "".join(f"<value>{int(v) if isinstance(v, bool) else v}</value>" for v in values)


async def configure(client: Client, *, room: str = ROOM, **fields: Any) -> Tree:
    return await request(
        client, "set", f"<query xmlns='{ns.MUC_OWNER}'>{form(**fields)}</query>", room
    )


async def request(client: Client, kind: str, payload: str, to: str = ROOM) -> Tree:
    """Send an iq and return its answer; what else came meanwhile stays to be taken."""
    before = client.transport.take()
    client.send(f"<iq type='{kind}' id='ask' to='{to}'>{payload}</iq>")
    await settle()
    after = client.transport.take()
    answers = [text for text in after if text.startswith("<iq") and "id='ask'" in text]
    assert len(answers) == 1, after
    client.transport.sent = before + [text for text in after if text not in answers]
    return fromstring(answers[0])


async def rule(client: Client, *items: str, room: str = ROOM) -> Tree:
    """Send a list of changes to roles and affiliations."""
    inner = "".join(f"<item {item}/>" for item in items)
    return await request(client, "set", f"<query xmlns='{ns.MUC_ADMIN}'>{inner}</query>", room)


async def listed(client: Client, item: str, *, room: str = ROOM) -> Tree:
    """Ask for the list of a role or an affiliation."""
    payload = f"<query xmlns='{ns.MUC_ADMIN}'><item {item}/></query>"
    return await request(client, "get", payload, room)


def presences(stanzas: list[Tree]) -> list[Tree]:
    return [each for each in stanzas if each.tag == f"{CLIENT}presence"]


def nick(stanza: Tree) -> str:
    return stanza.get("from", "").partition("/")[2]


def codes(stanza: Tree) -> list[int]:
    return [int(each.get("code", "")) for each in stanza.iterfind(f"{X}/{STATUS}")]


def item(stanza: Tree) -> dict[str, str]:
    found = stanza.find(f"{X}/{ITEM}")
    assert found is not None
    return found.attrib


def told(stanzas: list[Tree]) -> list[tuple[str, str, list[int]]]:
    """Return of each presence the nickname, its type and its codes."""
    return [(nick(each), each.get("type", ""), codes(each)) for each in presences(stanzas)]
