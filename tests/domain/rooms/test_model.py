"""Random lives in rooms: what each session was told of who is there is always right."""

import asyncio
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from support.domains import CLIENT, Client, settle
from support.rooms import HOST, ITEM, MUC, RoomStage, X, codes, nick
from support.thorough import examples

from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.xmpp import namespaces as ns

PEOPLE = ("romeo", "juliet", "tybalt")
RESOURCES = ("one", "two")
ROOMS = ("garden", "tomb")
NICKS = ("a", "b", "c", "A", "B ")

SESSION = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(RESOURCES))
ROOM = st.sampled_from(ROOMS)
NICK = st.sampled_from(NICKS)
AFFILIATION = st.sampled_from(("owner", "admin", "member", "none", "outcast"))
ROLE = st.sampled_from(("moderator", "participant", "visitor", "none"))
ITEMS = {
    "role": "nick='{}' role='{}'",
    "affiliation": "jid='{}@localhost' affiliation='{}'",
    "reserve": "jid='{}@localhost' affiliation='member' nick='{}'",
    "domain": "jid='localhost' affiliation='{}'",
}
STEP = st.one_of(
    st.tuples(st.just("enter"), SESSION, ROOM, NICK),
    st.tuples(st.just("enter"), SESSION, ROOM, NICK),
    st.tuples(st.just("show"), SESSION, ROOM, st.sampled_from(("away", "dnd"))),
    st.tuples(st.just("rename"), SESSION, ROOM, NICK),
    st.tuples(st.just("leave"), SESSION, ROOM),
    st.tuples(st.just("role"), SESSION, ROOM, NICK, ROLE),
    st.tuples(st.just("affiliation"), SESSION, ROOM, st.sampled_from(PEOPLE), AFFILIATION),
    st.tuples(st.just("reserve"), SESSION, ROOM, st.sampled_from(PEOPLE), NICK),
    st.tuples(st.just("domain"), SESSION, ROOM, st.sampled_from(("outcast", "none"))),
    st.tuples(
        st.just("config"),
        SESSION,
        ROOM,
        st.sampled_from(
            (
                ("membersonly", "1"),
                ("membersonly", "0"),
                ("moderatedroom", "1"),
                ("moderatedroom", "0"),
                ("whois", "anyone"),
                ("whois", "moderators"),
                ("presencebroadcast", "moderator"),
                ("presencebroadcast", "participant"),
                ("persistentroom", "1"),
                ("persistentroom", "0"),
            )
        ),
    ),
    st.tuples(st.just("destroy"), SESSION, ROOM),
    st.tuples(st.just("unavailable"), SESSION),
    st.tuples(st.just("end"), SESSION),
    st.tuples(st.just("remove"), st.sampled_from(PEOPLE)),
)


class View:
    """What one session knows, by what it was told."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, dict[str, str]]] = {}
        self.me: dict[str, str] = {}

    def hear(self, client: Client) -> None:
        for stanza in client.take():
            room, _, host = stanza.get("from", "").partition("/")[0].partition("@")
            if stanza.tag != f"{CLIENT}presence" or host != HOST or not nick(stanza):
                continue
            if stanza.get("type") == "unavailable":
                self._gone(room, stanza)
            elif stanza.get("type") is None:
                found = stanza.find(f"{X}/{ITEM}")
                assert found is not None
                self.rooms.setdefault(room, {})[nick(stanza)] = found.attrib
                if 110 in codes(stanza):
                    self.me[room] = nick(stanza)

    def _gone(self, room, stanza) -> None:
        destroyed = stanza.find(f"{X}/{{{ns.MUC_USER}}}destroy") is not None
        if destroyed or (110 in codes(stanza) and 303 not in codes(stanza)):
            self.rooms.pop(room, None)
            self.me.pop(room, None)
            return
        assert room in self.rooms, "of a room it is not in"
        assert self.rooms[room].pop(nick(stanza), None) is not None, "of one it did not know"


class Play:
    def __init__(self, once_shown) -> None:
        self.once_shown = once_shown
        self.stage = RoomStage(lock_timeout=0)
        self.stage.add_account("tybalt")
        self.clients: dict[tuple[str, str], Client] = {}
        self.views: dict[tuple[str, str], View] = {}

    async def run(self, steps) -> None:
        for step in steps:
            await self.take(*step)
            await settle()
            self.check()

    async def client(self, session) -> Client:
        if session not in self.clients:
            self.clients[session] = await self.stage.come(*session)
            self.views[session] = View()
        return self.clients[session]

    async def take(self, action, session, *rest) -> None:
        if action == "remove":
            await self.stage.domain.rooms.remove_account(f"{session}@localhost")
            return
        if action in ("end", "unavailable"):
            await self.end(action, session)
            return
        await self.do(action, session, await self.client(session), *rest)

    async def do(self, action, session, client, room, *rest) -> None:
        address = f"{room}@{HOST}"
        match action:
            case "enter":
                client.send(f"<presence to='{address}/{rest[0]}'>{MUC}</presence>")
            case "show":
                me = self.views[session].me.get(room, "a")
                client.send(f"<presence to='{address}/{me}'><show>{rest[0]}</show></presence>")
            case "rename":
                client.send(f"<presence to='{address}/{rest[0]}'/>")
            case "leave":
                client.send(f"<presence to='{address}/a' type='unavailable'/>")
            case "role" | "affiliation" | "reserve" | "domain":
                self.rule(client, address, ITEMS[action].format(*rest))
            case "config":
                (var, value), *_ = rest
                self.own(
                    client,
                    address,
                    f"<x xmlns='{ns.DATA}' type='submit'><field var='muc#roomconfig_{var}'>"
                    f"<value>{value}</value></field></x>",
                )
            case "destroy":
                self.own(client, address, "<destroy/>")

    def rule(self, client, address, item) -> None:
        query = f"<query xmlns='{ns.MUC_ADMIN}'><item {item}/></query>"
        client.send(f"<iq type='set' id='r' to='{address}'>{query}</iq>")

    def own(self, client, address, inner) -> None:
        query = f"<query xmlns='{ns.MUC_OWNER}'>{inner}</query>"
        client.send(f"<iq type='set' id='o' to='{address}'>{query}</iq>")

    async def end(self, action, session) -> None:
        client = self.clients.get(session)
        if client is None:
            return
        if action == "unavailable":
            client.send("<presence type='unavailable'/>")
            await settle()
            self.views[session].hear(client)
            assert not self.views[session].rooms
            client.send("<presence/>")
            return
        client.leave()
        del self.clients[session]
        del self.views[session]

    def check(self) -> None:
        rooms = self.stage.domain.rooms.by_name
        for session, view in self.views.items():
            client = self.clients[session]
            view.hear(client)
            inside = {name for name, room in rooms.items() if client.link in room.seats}
            assert inside == set(view.rooms)
            for name in inside:
                assert view.rooms[name] == self.truth(rooms[name], client.link, view.rooms[name])
        for room in rooms.values():
            assert room.occupants or room.config.persistent
            assert room.those(Affiliation.OWNER)
            for occupant in room.occupants.values():
                assert occupant.seats
                assert occupant.affiliation is room.affiliation(occupant.bare)
                assert occupant.affiliation != "outcast"
                assert occupant.role is not Role.NONE
                assert not room.config.members_only or occupant.affiliation != "none"
                assert room.occupants.alike(occupant.nick) == [occupant]
                assert room.nicks.holders(occupant.nick) <= {occupant.bare}
            assert room.nicks.faults() == []
            assert {seat for o in room.occupants.values() for seat in o.seats} == set(
                room.seats.values()
            )

    def truth(self, room, link, seen):
        """Return who is there as this session should know it."""
        me = room.seats[link].occupant
        shown = {}
        for occupant in room.occupants.values():
            if occupant is not me and occupant.role not in room.config.broadcast:
                continue
            item = {"affiliation": str(occupant.affiliation), "role": str(occupant.role)}
            # A JID that was seen once is known; one that may not be seen must not be.
            known = seen.get(occupant.nick, {}).get("jid")
            may = occupant is me or room.config.jids_shown or me.role is Role.MODERATOR
            if known is not None:
                assert known.partition("/")[0] == occupant.bare
                assert may or self.once_shown
                item["jid"] = known
            shown[occupant.nick] = item
        return shown


async def play(steps, *, once_shown=True) -> None:
    await Play(once_shown).run(steps)


@given(st.lists(STEP, max_size=40))
@settings(max_examples=examples(150), deadline=None)
def test_everybody_knows_who_is_there(steps):
    asyncio.run(play(steps))


def anonymous_steps() -> Iterator[st.SearchStrategy]:
    yield st.tuples(st.just("enter"), SESSION, ROOM, NICK)
    yield st.tuples(st.just("show"), SESSION, ROOM, st.sampled_from(("away", "dnd")))
    yield st.tuples(st.just("rename"), SESSION, ROOM, NICK)
    yield st.tuples(st.just("leave"), SESSION, ROOM)
    yield st.tuples(st.just("end"), SESSION)


@given(st.lists(st.one_of(*anonymous_steps()), max_size=40))
@settings(max_examples=examples(60), deadline=None)
def test_who_never_was_a_moderator_never_sees_a_jid(steps):
    asyncio.run(play(steps, once_shown=False))
