"""RFC 6121's appendix A, every cell: the tables by themselves, and through two accounts.

The tables are typed in as they stand in the RFC (M.N. for MUST NOT, S.N. for
SHOULD NOT); what is expected comes from them alone.
"""

import types

import pytest
from sqlalchemy import text as sql
from support.domains import CLIENT, Stage, settle
from support.house import House
from support.waiting import until

from andiron.domain.contacts.roster import roster_of
from andiron.domain.contacts.subscriptions import (
    NOBODY,
    Contact,
    Kind,
    State,
    arrive,
    farewell,
    leave,
    stanza,
)
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns

OUTBOUND = {
    "subscribe": """
        None                  | MUST | None + Pending Out
        None + Pending Out    | MUST | no state change
        None + Pending In     | MUST | None + Pending Out+In
        None + Pending Out+In | MUST | no state change
        To                    | MUST | no state change
        To + Pending In       | MUST | no state change
        From                  | MUST | From + Pending Out
        From + Pending Out    | MUST | no state change
        Both                  | MUST | no state change
    """,
    "unsubscribe": """
        None                  | MUST | no state change
        None + Pending Out    | MUST | None
        None + Pending In     | MUST | no state change
        None + Pending Out+In | MUST | None + Pending In
        To                    | MUST | None
        To + Pending In       | MUST | None + Pending In
        From                  | MUST | no state change
        From + Pending Out    | MUST | From
        Both                  | MUST | From
    """,
    "subscribed": """
        None                  | M.N. | pre-approval
        None + Pending Out    | M.N. | pre-approval
        None + Pending In     | MUST | From
        None + Pending Out+In | MUST | From + Pending Out
        To                    | M.N. | pre-approval
        To + Pending In       | MUST | Both
        From                  | M.N. | no state change
        From + Pending Out    | M.N. | no state change
        Both                  | M.N. | no state change
    """,
    "unsubscribed": """
        None                  | S.N. | no state change
        None + Pending Out    | S.N. | no state change
        None + Pending In     | MUST | None
        None + Pending Out+In | MUST | None + Pending Out
        To                    | S.N. | no state change
        To + Pending In       | MUST | To
        From                  | MUST | None
        From + Pending Out    | MUST | None + Pending Out
        Both                  | MUST | To
    """,
}
INBOUND = {
    "subscribe": """
        None                  | MUST | None + Pending In
        None + Pending Out    | MUST | None + Pending Out+In
        None + Pending In     | S.N. | no state change
        None + Pending Out+In | S.N. | no state change
        To                    | MUST | To + Pending In
        To + Pending In       | S.N. | no state change
        From                  | S.N. | no state change, auto-reply
        From + Pending Out    | S.N. | no state change, auto-reply
        Both                  | S.N. | no state change, auto-reply
    """,
    "unsubscribe": """
        None                  | S.N. | no state change
        None + Pending Out    | S.N. | no state change
        None + Pending In     | MUST | None, auto-reply
        None + Pending Out+In | MUST | None + Pending Out, auto-reply
        To                    | S.N. | no state change
        To + Pending In       | MUST | To, auto-reply
        From                  | MUST | None, auto-reply
        From + Pending Out    | MUST | None + Pending Out, auto-reply
        Both                  | MUST | To, auto-reply
    """,
    "subscribed": """
        None                  | S.N. | no state change
        None + Pending Out    | MUST | To
        None + Pending In     | S.N. | no state change
        None + Pending Out+In | MUST | To + Pending In
        To                    | S.N. | no state change
        To + Pending In       | S.N. | no state change
        From                  | S.N. | no state change
        From + Pending Out    | MUST | Both
        Both                  | S.N. | no state change
    """,
    "unsubscribed": """
        None                  | S.N. | no state change
        None + Pending Out    | MUST | None
        None + Pending In     | S.N. | no state change
        None + Pending Out+In | MUST | None + Pending In
        To                    | MUST | None
        To + Pending In       | MUST | None + Pending In
        From                  | S.N. | no state change
        From + Pending Out    | MUST | From
        Both                  | MUST | From
    """,
}
ANSWERS = {"subscribe": "subscribed", "unsubscribe": "unsubscribed"}
SHOWN = {
    "None": ("none", None, False),
    "None + Pending Out": ("none", "subscribe", False),
    "None + Pending In": ("none", None, True),
    "None + Pending Out+In": ("none", "subscribe", True),
    "To": ("to", None, False),
    "To + Pending In": ("to", None, True),
    "From": ("from", None, False),
    "From + Pending Out": ("from", "subscribe", False),
    "Both": ("both", None, False),
}
"""Appendix A.1: the attributes of the roster item, and whether a request waits."""
MIRRORED = {
    "None": "None",
    "None + Pending Out": "None + Pending In",
    "None + Pending In": "None + Pending Out",
    "None + Pending Out+In": "None + Pending Out+In",
    "To": "From",
    "To + Pending In": "From + Pending Out",
    "From": "To",
    "From + Pending Out": "To + Pending In",
    "Both": "Both",
}
"""What the contact's side has where the user's has this."""
ROUTING = {
    "subscribe": "None",
    "unsubscribe": "None",
    "subscribed": "None + Pending In",
    "unsubscribed": "From",
}
"""A state of the sender in which the stanza is routed."""


def cells(tables):
    found = []
    for kind, table in tables.items():
        for line in table.strip().splitlines():
            state, passed, after = (cell.strip() for cell in line.split("|"))
            after, _, reply = after.partition(", ")
            approves = after == "pre-approval"
            if approves or after == "no state change":
                after = state
            answer = ANSWERS[kind] if reply else None
            found.append((kind, state, passed == "MUST", after, approves, answer))
    return found


def cell(tables, kind, state):
    (found,) = [each[2:] for each in cells(tables) if each[:2] == (kind, state)]
    return found


def test_the_tables_are_whole():
    for tables in (OUTBOUND, INBOUND):
        assert {each[:2] for each in cells(tables)} == {(k, s) for k in Kind for s in SHOWN}
    assert set(State) == set(SHOWN) == set(MIRRORED)


@pytest.mark.parametrize(("state", "shown"), SHOWN.items())
def test_states_and_roster_items(state, shown):
    subscription, ask, pending = shown
    found = State.of(subscription, ask=ask is not None, pending=pending)
    assert found == state
    assert (found.subscription, found.ask, found.pending) == (subscription, bool(ask), pending)
    assert found.sees == (subscription in {"to", "both"})
    assert found.is_seen == (subscription in {"from", "both"})


@pytest.mark.parametrize(("subscription", "means"), [("from", "From"), ("both", "Both")])
def test_a_request_of_who_is_subscribed_means_nothing(subscription, means):
    assert State.of(subscription, ask=False, pending=True) == means


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(("kind", "state", "routed", "after", "approves", "_"), cells(OUTBOUND))
def test_outbound(kind, state, routed, after, approves, _, listed):
    step = leave(Contact(State(state), listed=listed), Kind(kind))
    grows = approves or kind == "subscribe" or (kind == "subscribed" and routed)
    assert step.passed == routed
    assert step.reply is None
    assert step.contact == Contact(State(after), listed=listed or grows, approved=approves)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(("kind", "state", "delivered", "after", "_", "reply"), cells(INBOUND))
def test_inbound(kind, state, delivered, after, _, reply, listed):
    step = arrive(Contact(State(state), listed=listed), Kind(kind))
    assert step.passed == delivered
    assert step.reply == reply
    assert step.contact == Contact(State(after), listed=listed)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("None", "From"),
        ("None + Pending Out", "From + Pending Out"),
        ("To", "Both"),
        ("From", "From"),
        ("From + Pending Out", "From + Pending Out"),
        ("Both", "Both"),
    ],
)
def test_a_request_that_was_approved_before(state, after):
    """Section 3.4.2: it is granted, not delivered; the approval stays."""
    step = arrive(Contact(State(state), listed=True, approved=True), Kind.SUBSCRIBE)
    assert (step.passed, step.reply) == (False, "subscribed")
    assert step.contact == Contact(State(after), listed=True, approved=True)


@pytest.mark.parametrize("state", SHOWN)
def test_unsubscribed_withdraws_an_approval(state):
    step = leave(Contact(State(state), listed=True, approved=True), Kind.UNSUBSCRIBED)
    assert not step.contact.approved


@pytest.mark.parametrize("state", SHOWN)
def test_a_farewell_leaves_nothing_at_either_side(state):
    """Section 2.5.2: removing a contact ends what there was in both directions."""
    contact = Contact(State(state), listed=True)
    other = Contact(State(MIRRORED[state]), listed=True)
    for kind in farewell(contact):
        other = arrive(other, kind).contact
    assert other == Contact(State.NONE, listed=True)
    assert bool(farewell(contact)) == (state != "None")
    assert farewell(NOBODY) == ()


def test_the_servers_own_stanza():
    assert stanza(Kind.SUBSCRIBED, "a'b@localhost", "c@localhost") == (
        "<presence xmlns='jabber:client' type='subscribed' from='a&apos;b@localhost'"
        " to='c@localhost'/>"
    )


# Through two accounts


class Pair:
    """juliet and romeo, each with a state about the other."""

    def __init__(self, stage):
        self.stage = stage
        self.clients = {}

    def set(self, name, other, state):
        subscription, ask, pending = SHOWN[state]
        with self.stage.database.engine.begin() as connection:
            connection.execute(
                sql(
                    "insert into contacts values"
                    " (:name, :jid, true, :subscription, :ask, false, :request, '', '')"
                ),
                {
                    "name": name,
                    "jid": f"{other}@localhost",
                    "subscription": subscription,
                    "ask": ask is not None,
                    "request": "<presence xmlns='jabber:client'/>" if pending else "",
                },
            )

    def get(self, name, other):
        with self.stage.database.engine.begin() as connection:
            row = connection.execute(
                sql(
                    "select subscription, ask, request != '', approved from contacts"
                    " where username = :name and jid = :jid"
                ),
                {"name": name, "jid": f"{other}@localhost"},
            ).one()
        subscription, ask, pending, approved = row
        shown = (subscription, "subscribe" if ask else None, bool(pending))
        (state,) = [state for state, each in SHOWN.items() if each == shown]
        return state, bool(approved)

    async def come(self, name):
        client = self.clients[name] = await self.stage.come(name, "home")
        client.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        await settle()
        client.take()

    async def send(self, kind, count=1):
        juliet = self.clients["juliet"]
        for client in self.clients.values():
            client.take()
        for _ in range(count):
            juliet.send(f"<presence id='s' to='romeo@localhost/any' type='{kind}'/>")
        await settle()

    def got(self, name):
        """Return the subscription stanzas and the pushes that a client got."""
        stanzas, pushes = [], []
        for tree in self.clients[name].take() if name in self.clients else ():
            if tree.tag == f"{CLIENT}presence":
                assert "/" not in tree.get("to", "")
                if tree.get("type") in ANSWERS or tree.get("type") in ANSWERS.values():
                    assert "/" not in tree.get("from")
                    stanzas.append(tree.get("type"))
            else:
                item = tree.find(f"{{{ns.ROSTER}}}query/{{{ns.ROSTER}}}item")
                pushes.append((item.get("subscription"), item.get("ask"), item.get("approved")))
        return stanzas, pushes


def pushed(before, after):
    (was, asked, _), (is_, asks, _) = SHOWN[before], SHOWN[after]
    return [] if (was, asked) == (is_, asks) else [(is_, asks, None)]


async def pair(ours, theirs, *, online):
    made = Pair(Stage())
    made.set("juliet", "romeo", ours)
    made.set("romeo", "juliet", theirs)
    await made.come("juliet")
    if online:
        await made.come("romeo")
    return made


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(("kind", "state", "routed", "after", "approves", "_"), cells(OUTBOUND))
async def test_outbound_end_to_end(kind, state, routed, after, approves, _, online):
    theirs = MIRRORED[state]
    both = await pair(state, theirs, online=online)
    await both.send(kind)
    delivered, their_next, _, _ = cell(INBOUND, kind, theirs)
    if not routed:
        delivered, their_next = False, theirs
    assert both.get("juliet", "romeo") == (after, approves)
    assert both.get("romeo", "juliet") == (their_next, False)
    approval = [(SHOWN[after][0], SHOWN[after][1], "true")] if approves else []
    assert both.got("juliet") == ([], approval or pushed(state, after))
    if online:
        expected = [kind] if delivered else []
        assert both.got("romeo") == (expected, pushed(theirs, their_next))
    await both.stage.domain.stop()


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(("kind", "state", "delivered", "after", "_", "reply"), cells(INBOUND))
async def test_inbound_end_to_end(kind, state, delivered, after, _, reply, online):
    """Also in states that the two sides come to only where one lost its memory."""
    ours = ROUTING[kind]
    both = await pair(ours, state, online=online)
    await both.send(kind)
    sent = cell(OUTBOUND, kind, ours)[1]
    heard, ours_next = False, sent
    if reply is not None:
        heard, ours_next, _, _ = cell(INBOUND, reply, sent)
    assert both.get("juliet", "romeo") == (ours_next, False)
    assert both.get("romeo", "juliet") == (after, False)
    stanzas, pushes = both.got("juliet")
    assert stanzas == ([reply] if heard else [])
    assert pushes == pushed(ours, sent) + pushed(sent, ours_next)
    if online:
        assert both.got("romeo") == ([kind] if delivered else [], pushed(state, after))
    await both.stage.domain.stop()


@pytest.mark.parametrize("kind", Kind)
async def test_the_same_twice_is_as_once(kind):
    once = await pair("To + Pending In", "From + Pending Out", online=True)
    await once.send(kind)
    twice = await pair("To + Pending In", "From + Pending Out", online=True)
    await twice.send(kind, 2)
    assert twice.get("juliet", "romeo")[0] == once.get("juliet", "romeo")[0]
    assert twice.get("romeo", "juliet") == once.get("romeo", "juliet")
    assert twice.got("romeo") == once.got("romeo")


@types.coroutine
def behind(others, work):
    """Go on with work that had to wait for something only when others are done."""
    while True:
        try:
            awaited = work.send(None)
        except StopIteration as end:
            return end.value
        yield awaited
        while not others:
            yield


async def test_what_was_written_later_is_known_later(lasting_url, monkeypatch):
    """Whoever's turn passes to others has asked first, and goes on last."""
    house, done = House(lasting_url), []
    await house.domain.start()
    for name in ("romeo", "juliet"):
        await house.domain.accounts.create(name, "secret")
    romeo, juliet = [await house.come(name, "secret") for name in ("romeo", "juliet")]
    errand = Session.errand

    async def noted(work):
        await work
        done.append(1)

    def late(self, work):
        return errand(self, noted(behind(done, work) if self is romeo.session else work))

    monkeypatch.setattr(Session, "errand", late)
    romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
    juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
    await until(lambda: len(done) == 2)
    owners = house.domain.owners
    for client in (romeo, juliet):
        known = roster_of(client.link.owner).contacts
        owners.forget(client.link.account)
        assert known == roster_of(await owners.load(client.link.account)).contacts
        assert len(known) == 1
    await house.stop()
