"""A model of presence: whatever people do, each client's last word about each other is right.

Three people with two resources each ask, approve, cancel and remove; they
come, go, hibernate, resume and are lost; they direct presence, and block. What
each client should know is worked out from who is subscribed to whom, by rules
that share nothing with the domain's. An ``unavailable`` comes once, and only
where there was something to take back.
"""

import asyncio
from itertools import permutations, product
from math import inf

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support.domains import AUTH, CLIENT, Client, Stage, bind_request, settle
from support.thorough import examples

from andiron.sm.config import SmConfig
from andiron.xmpp import namespaces as ns

PEOPLE = ("juliet", "mercutio", "romeo")
PLACES = ("balcony", "street")
RESOURCES = tuple(product(PEOPLE, PLACES))
SM = "urn:xmpp:sm:3"
PREVID = "{urn:xmpp:sm:3}enabled"

PAIRS = tuple(permutations(PEOPLE, 2))

pairs = st.sampled_from(PAIRS)
resources = st.sampled_from(RESOURCES)
choices = st.integers(0, 59)
"""Which of those that are there; 60 can be divided by all their numbers."""


def somebody(count):
    """Let a rule be for when as many clients are connected."""
    return precondition(lambda self: len(self.there()) >= count)


def friends(self):
    """Tell whether somebody is there who could part with a friend."""
    return any(self.speaker(user) for user, _ in self.sees)


def jid(resource):
    return f"{resource[0]}@localhost/{resource[1]}"


def pick(candidates, choice):
    return candidates[choice % len(candidates)]


class End:
    """A client that remembers the last presence of each address, and counts for XEP-0198."""

    def __init__(self, client):
        self.client = client
        self.known = {}
        self.handled = 0
        self.previd = ""
        self.away = False

    def read(self):
        """Take in what came; ``unavailable`` about who is not known would be one too many."""
        own = self.client.jid
        for tree in self.client.take():
            if tree.tag == PREVID:
                self.previd = tree.get("id")
            if not tree.tag.startswith(CLIENT):
                continue
            if self.previd:
                self.handled += 1
            sender = tree.get("from", "")
            if tree.tag != f"{CLIENT}presence" or "/" not in sender or sender == own:
                continue
            kind = tree.get("type")
            if kind == "unavailable":
                assert sender in self.known, f"{own}: {sender} was not there"
                del self.known[sender]
            elif kind is None:
                self.known[sender] = tree.findtext(f"{CLIENT}status")


class Presence(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.run(self.begin())
        self.ends = {}
        self.shown = {}
        self.count = 0
        self.expected = {}
        self.directed = set()
        self.sees = set()
        self.asks = set()
        self.waits = set()
        self.approved = set()
        self.listed = set()
        self.blocked = set()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def do(self, act, *arguments):
        """Call a function where the domain can start tasks, and let them finish."""

        async def inside():
            act(*arguments)
            await settle()

        self.run(inside())

    async def begin(self):
        # Its clients acknowledge nothing, for which they must not be taken for dead.
        self.stage = Stage(SmConfig(idle_probe=0, request_timeout=inf))
        self.stage.add_account("mercutio")

    def teardown(self):
        try:
            self.check_rosters()
        finally:
            self.run(self.stage.domain.stop())
            self.loop.close()

    # What is to be known

    def is_visible(self, watched, watcher):
        """Tell whether a resource's broadcasts reach another."""
        (person, _), (other, _) = watched, watcher
        if watcher not in self.shown or watched not in self.shown or watched == watcher:
            return False
        return person == other or (
            (other, person) in self.sees
            and (other, person) not in self.blocked
            and (person, other) not in self.blocked
        )

    def learn(self, watcher, watched, status):
        self.expected.setdefault(watcher, {})[jid(watched)] = status

    def unlearn(self, watcher, watched):
        self.directed.discard((watched, watcher))
        self.expected.get(watcher, {}).pop(jid(watched), None)

    def part(self, watched, watcher):
        """Let a person's resources be gone for another's."""
        for place, other in product(PLACES, PLACES):
            ours, theirs = (watched, place), (watcher, other)
            if ours in self.shown and theirs in self.shown:
                self.unlearn(theirs, ours)

    def meet(self, watched, watcher):
        for place, other in product(PLACES, PLACES):
            ours, theirs = (watched, place), (watcher, other)
            if self.is_visible(ours, theirs):
                self.learn(theirs, ours, self.shown[ours])

    def vanish(self, resource):
        """Let a resource be gone for everybody, as it goes offline."""
        self.shown.pop(resource, None)
        for other in RESOURCES:
            self.unlearn(other, resource)

    def forget(self, resource):
        """Let a client forget the broadcasts it is told of no more; directed ones it keeps."""
        kept = {jid(watched) for watched, watcher in self.directed if watcher == resource}
        for knowing in (self.expected.setdefault(resource, {}), self.ends[resource].known):
            for sender in set(knowing) - kept:
                del knowing[sender]

    def gone(self, resource):
        del self.ends[resource]
        self.vanish(resource)
        self.expected.pop(resource, None)
        self.directed = {pair for pair in self.directed if resource not in pair}

    # Sessions

    def there(self):
        """Return the resources whose clients are connected."""
        return [each for each in RESOURCES if each in self.ends and not self.ends[each].away]

    @initialize(
        present=st.lists(resources, unique=True, min_size=2),
        befriended=st.lists(pairs, unique=True),
    )
    def begin_with(self, present, befriended):
        """Begin with somebody there, or too little would happen."""
        for number, resource in enumerate(present):
            self.bind(resource, sm=bool(number % 2))
            self.broadcast(self.there().index(resource), 0)
        for pair in befriended:
            self.befriend(pair)

    def send(self, resource, text):
        self.do(self.ends[resource].client.send, text)
        self.read()

    def read(self):
        for end in self.ends.values():
            end.read()

    @rule(resource=resources, sm=st.booleans())
    def bind(self, resource, sm):
        """Sign in, maybe in the place of an older session of the same name."""
        client = self.run(self.stage.sign_in(resource[0]))
        if resource in self.ends:
            self.gone(resource)
        self.do(client.send, bind_request(resource[1]))
        if sm:
            self.do(client.send, f"<enable xmlns='{SM}' resume='true'/>")
        self.ends[resource] = End(client)
        self.read()

    @somebody(1)
    @rule(choice=choices, how=st.sampled_from(["leave", "lose", "kick", "error"]))
    def end(self, choice, how):
        resource = pick(self.there(), choice)
        end = self.ends[resource]
        match how:
            case "leave":
                self.do(end.client.leave)
            case "lose" if end.previd:
                return
            case "lose":
                self.do(end.client.lose)
            case "kick":
                self.do(self.stage.manager.kick, jid(resource), self.stage.now)
            case "error":
                self.do(end.client.send, "<message from='nobody@localhost'/>")
        self.gone(resource)
        self.read()

    @somebody(1)
    @rule(choice=choices)
    def hibernate(self, choice):
        end = self.ends[pick(self.there(), choice)]
        if end.previd:
            self.do(end.client.lose)
            end.away = True

    @precondition(lambda self: any(end.away for end in self.ends.values()))
    @rule(choice=choices)
    def resume(self, choice):
        resource = pick([each for each, end in self.ends.items() if end.away], choice)
        end = self.ends[resource]
        self.run(self.again(end, resource))
        end.away = False
        self.read()

    async def again(self, end, resource):
        client = self.stage.connect()
        client.open()
        client.send(AUTH.format(resource[0]))
        await settle()
        client.open()
        client.take()
        client.send(f"<resume xmlns='{SM}' previd='{end.previd}' h='{end.handled}'/>")
        await settle()
        end.client = Client(self.stage, client.transport)

    @precondition(lambda self: any(end.away for end in self.ends.values()))
    @rule()
    def expire(self):
        self.stage.now += 601
        self.do(self.stage.manager.timers.run, self.stage.now)
        for resource in [resource for resource, end in self.ends.items() if end.away]:
            self.gone(resource)
        self.read()

    # Presence

    @somebody(1)
    @rule(choice=choices, priority=st.integers(-2, 2))
    def broadcast(self, choice, priority):
        resource = pick(self.there(), choice)
        self.count += 1
        initial = resource not in self.shown
        self.shown[resource] = str(self.count)
        for other in self.ends:
            if self.is_visible(resource, other):
                self.learn(other, resource, str(self.count))
            if initial and self.is_visible(other, resource):
                self.learn(resource, other, self.shown[other])
        self.send(
            resource,
            f"<presence><status>{self.count}</status><priority>{priority}</priority></presence>",
        )

    @somebody(1)
    @rule(choice=choices)
    def unavailable(self, choice):
        resource = pick(self.there(), choice)
        self.vanish(resource)
        self.send(resource, "<presence type='unavailable'/>")
        self.forget(resource)

    @somebody(2)
    @rule(choice=choices, other=choices, leave=st.booleans())
    def direct(self, choice, other, leave):
        resource, to = pick(self.there(), choice), pick(list(self.ends), other)
        if resource[0] == to[0]:
            return
        people = (resource[0], to[0])
        if leave:
            if self.is_visible(resource, to) or jid(resource) not in self.expected.get(to, {}):
                return
            self.unlearn(to, resource)
            self.send(resource, f"<presence to='{jid(to)}' type='unavailable'/>")
            return
        self.count += 1
        if people not in self.blocked and people[::-1] not in self.blocked:
            self.directed.add((resource, to))
            self.learn(to, resource, str(self.count))
        self.send(resource, f"<presence to='{jid(to)}'><status>{self.count}</status></presence>")

    # Subscriptions

    def speaker(self, person):
        there = [each for each in self.there() if each[0] == person]
        return there[0] if there else None

    @rule(pair=pairs)
    def subscribe(self, pair):
        user, contact = pair
        speaker = self.speaker(user)
        if speaker is None:
            return
        if pair not in self.blocked:
            self.listed.add(pair)
            self.asks |= {pair} - self.sees
            if pair[::-1] not in self.blocked and pair not in self.sees:
                if pair[::-1] in self.approved:
                    self.grant(pair)
                else:
                    self.waits.add(pair)
        self.send(speaker, f"<presence to='{contact}@localhost' type='subscribe'/>")

    def grant(self, pair):
        user, contact = pair
        self.waits.discard(pair)
        self.asks.discard(pair)
        self.sees.add(pair)
        self.meet(contact, user)

    def revoke(self, pair):
        """Take a subscription back, or a request for one."""
        user, contact = pair
        self.waits.discard(pair)
        self.asks.discard(pair)
        if pair in self.sees:
            if pair not in self.blocked and pair[::-1] not in self.blocked:
                self.part(contact, user)
            self.sees.discard(pair)

    @rule(pair=pairs)
    def subscribed(self, pair):
        contact, user = pair
        speaker = self.speaker(contact)
        if speaker is None:
            return
        asked = (user, contact)
        if pair not in self.blocked and asked not in self.sees:
            self.listed.add(pair)
            if asked in self.waits:
                self.grant(asked)
            else:
                self.approved.add(pair)
        self.send(speaker, f"<presence to='{user}@localhost' type='subscribed'/>")

    @rule(pair=pairs)
    def unsubscribe(self, pair):
        user, contact = pair
        speaker = self.speaker(user)
        if speaker is None:
            return
        if pair not in self.blocked:
            self.revoke(pair)
        self.send(speaker, f"<presence to='{contact}@localhost' type='unsubscribe'/>")

    @rule(pair=pairs)
    def unsubscribed(self, pair):
        contact, user = pair
        speaker = self.speaker(contact)
        if speaker is None:
            return
        if pair not in self.blocked:
            self.approved.discard(pair)
            if (user, contact) in self.sees | self.waits:
                self.revoke((user, contact))
        self.send(speaker, f"<presence to='{user}@localhost' type='unsubscribed'/>")

    @rule(pair=pairs)
    def befriend(self, pair):
        """Make both see each other, the usual way; else that would come about too seldom."""
        self.subscribe(pair)
        self.subscribed(pair[::-1])
        self.subscribe(pair[::-1])
        self.subscribed(pair)

    @precondition(friends)
    @rule(choice=choices, how=st.sampled_from(["unsubscribe", "unsubscribed", "remove", "block"]))
    def part_with_a_friend(self, choice, how):
        user, contact = pick(sorted(self.sees), choice)
        pair = (contact, user) if how == "unsubscribed" else (user, contact)
        getattr(self, how)(pair)

    @rule(pair=pairs)
    def remove(self, pair):
        user, contact = pair
        speaker = self.speaker(user)
        if speaker is None:
            return
        if pair in self.listed:
            self.listed.discard(pair)
            self.approved.discard(pair)
            self.revoke(pair)
            if pair[::-1] in self.sees | self.waits:
                self.revoke(pair[::-1])
        self.send(
            speaker,
            f"<iq type='set' id='r'><query xmlns='{ns.ROSTER}'>"
            f"<item jid='{contact}@localhost' subscription='remove'/></query></iq>",
        )

    # Blocking

    @rule(pair=pairs)
    def block(self, pair):
        user, contact = pair
        speaker = self.speaker(user)
        if speaker is None:
            return
        self.blocked.add(pair)
        for place, other in product(PLACES, PLACES):
            self.unlearn((contact, other), (user, place))
            self.unlearn((user, place), (contact, other))
        self.send(speaker, self.blocking("block", contact))

    @rule(pair=pairs)
    def unblock(self, pair):
        user, contact = pair
        speaker = self.speaker(user)
        if speaker is None or pair not in self.blocked:
            return
        self.blocked.discard(pair)
        self.meet(user, contact)
        self.meet(contact, user)
        self.send(speaker, self.blocking("unblock", contact))

    def blocking(self, name, contact):
        return (
            f"<iq type='set' id='b'><{name} xmlns='{ns.BLOCKING}'>"
            f"<item jid='{contact}@localhost'/></{name}></iq>"
        )

    # What must hold

    @invariant()
    def the_last_word_is_right(self):
        for resource, end in self.ends.items():
            if not end.away:
                assert end.known == self.expected.get(resource, {}), jid(resource)

    @invariant()
    def everybody_sees_whom_he_should(self):
        """The same, told from the state alone."""
        for watcher in self.ends:
            expected = {
                jid(watched)
                for watched in self.ends
                if self.is_visible(watched, watcher) or (watched, watcher) in self.directed
            }
            assert set(self.expected.get(watcher, ())) == expected

    def check_rosters(self):
        for person in PEOPLE:
            end = End(self.run(self.stage.bind(person, "judge")))
            self.do(end.client.send, f"<iq type='get' id='r'><query xmlns='{ns.ROSTER}'/></iq>")
            (answer,) = [tree for tree in end.client.take() if tree.get("id") == "r"]
            found = {
                (item.get("jid"), item.get("subscription"), item.get("ask"), item.get("approved"))
                for item in answer.iter(f"{{{ns.ROSTER}}}item")
            }
            assert found == {self.item(person, contact) for contact in self.contacts(person)}

    def contacts(self, person):
        return [contact for listing, contact in self.listed if listing == person]

    def item(self, person, contact):
        to, from_ = (person, contact) in self.sees, (contact, person) in self.sees
        subscription = {(0, 0): "none", (1, 0): "to", (0, 1): "from", (1, 1): "both"}[to, from_]
        ask = "subscribe" if (person, contact) in self.asks else None
        approved = "true" if (person, contact) in self.approved else None
        return f"{contact}@localhost", subscription, ask, approved


Presence.TestCase.settings = settings(
    max_examples=examples(40),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPresence = Presence.TestCase
