"""Whatever becomes of the resources of an account, each message is taken once.

Several are of one priority, so that a message comes to all of them, or of different ones that
change; some see copies. They are lost, resumed and ended with and without acknowledgements, and
the process is killed and stopped, at any moment. Of each message is true:

- A session is sent it once at most, be it itself or as a copy.
- Somebody acknowledges it, or its sender hears that it was refused, and not both.
- When a session has acknowledged it, nobody is given it who was not before.
"""

import asyncio
from collections import defaultdict
from random import Random
from typing import Any

import pytest
from support.devices import Device, name_of, waiting_for
from support.domains import settle
from support.lasting import LastingStage
from support.resuming import Sender, number_of, stanzas
from support.thorough import examples

from andiron.domain.messages import mailbox
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns
from andiron.xmpp.jid import JID

JULIET = "juliet@localhost"
SENDERS = ("romeo", "tybalt")
SERVICE = "verona@conference.localhost"
ENDS = (CloseReason.EXPIRED, CloseReason.CLIENT_CLOSED, CloseReason.KICKED)
COPIES = "<iq type='set' id='c'><{} xmlns='urn:xmpp:carbons:2'/></iq>"
STEPS = 120

# What a play has besides resources of priority 0.
LEVELS = {"levels": (0, 0, 1, -1)}
COPIED = {"copies": True}
KILLED = {"kills": True}
TIGHT = {"tight": True}
PLAIN = {"plain": True}
FULL = {"full": True}
PLAYS: dict[str, dict[str, Any]] = {
    "steady": {},
    "equal": KILLED,
    "levels": LEVELS,
    "changing": LEVELS | KILLED,
    "copies": LEVELS | COPIED,
    "all": LEVELS | COPIED | KILLED,
    "tight": LEVELS | COPIED | TIGHT,
    "plain": LEVELS | COPIED | PLAIN,
    "full": LEVELS | COPIED | FULL,
    "full and killed": LEVELS | COPIED | FULL | KILLED,
    "everything": LEVELS | COPIED | TIGHT | KILLED,
}


class Play:
    """So many devices, and what befalls them by a seed."""

    def __init__(
        self,
        seed: int,
        *,
        devices: int = 3,
        levels: tuple[int, ...] = (0,),
        copies: bool = False,
        kills: bool = False,
        tight: bool = False,
        plain: bool = False,
        full: bool = False,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.most = devices
        self.levels = levels
        self.copied = copies
        self.kills = kills
        self.plain = plain
        self.tight = tight
        self.talks = not (kills or tight or full)
        narrow: dict[str, Any] = {"queue_stanzas": 12, "account_bytes": 6000} if tight else {}
        held: dict[str, Any] = {"max_held": 3} if tight else {}
        if full:
            held["archive"] = None  # What is in an archive is not refused.
        self.stage = LastingStage(SmConfig(idle_probe=0, request_every=3, **narrow), **held)
        if full:
            self.stage.store.limit = 12
        self.devices: dict[str, Device] = {}
        self.sent = 0
        self.taken: set[str] = set()
        self.refused: set[str] = set()
        self.fresh: list[str] = []
        """What was acknowledged in this turn."""
        self.had: dict[str, set[str]] = {}
        """What somebody has acknowledged, and which sessions had it by then."""
        self.given: defaultdict[str, set[str]] = defaultdict(set)
        """What each session has been sent."""
        self.doubtful: set[str] = set()
        """What was stored, and is said again since its sender could not be told in time."""
        self.faults: list[str] = []
        self.trace: list[str] = []

    async def begin(self) -> None:
        await self.stage.begin()
        self.stage.paper.told.append(self.written)
        self.stage.add_account(*SENDERS[1:])
        self.senders = [
            Sender(name, await self.stage.bind(name, "street", sm=True)) for name in SENDERS
        ]
        await settle()
        for sender in self.senders:
            sender.client.take()

    # What is true

    def written(self) -> None:
        """Note at a turn's end who has what was acknowledged in it."""
        fresh, self.fresh = self.fresh, []
        for number in fresh:
            if number not in self.had:
                sent = {name for name, numbers in self.given.items() if number in numbers}
                self.had[number] = sent | {
                    name_of(session)
                    for session in self.sessions()
                    if number in waiting_for(session)
                }

    def note(self, device: Device, text: str) -> None:
        """Note that a device is sent a stanza which it was not sent before."""
        number = None if " type='error'" in text else number_of(text)
        device.stanzas.append(number)
        if number is None or number in self.doubtful:
            return
        if number in self.given[device.name]:
            self.faults.append(f"{number} twice to {device.resource}")
        elif number in self.had and device.name not in self.had[number]:
            self.faults.append(f"{number} again to {device.resource}")
        self.given[device.name].add(number)

    # What Juliet's clients do

    def one(self) -> Device | None:
        there = [device for device in self.devices.values() if not device.lost]
        return self.random.choice(there) if there else None

    async def come(self) -> None:
        resource = f"r{self.random.randrange(self.most)}"
        former = self.devices.get(resource)
        if former is not None and not former.lost and self.random.random() < 0.8:
            return
        if former is not None and former.plain:
            self.part(former)
            former.client.leave()
        plain = self.plain and self.random.random() < 0.5
        self.trace.append(f"come {resource}{' plain' if plain else ''}")
        client = await self.stage.bind("juliet", resource, sm=not plain)
        device = self.devices[resource] = Device(resource, client, plain=plain)
        if self.copied and self.random.random() < 0.7:
            client.send(COPIES.format("enable"))
        if self.random.random() < 0.9:
            self.show(device)

    def show(self, device: Device) -> None:
        level = self.random.choice(self.levels)
        self.trace.append(f"show {device.resource} {level}")
        device.client.send(f"<presence><priority>{level}</priority></presence>")

    async def change(self) -> None:
        device = self.one()
        if device is not None:
            self.show(device)

    async def hide(self) -> None:
        device = self.one()
        if device is not None:
            self.trace.append(f"hide {device.resource}")
            device.client.send("<presence type='unavailable'/>")

    async def copy(self) -> None:
        device = self.one()
        if device is not None and self.copied:
            how = self.random.choice(["enable", "enable", "disable"])
            self.trace.append(f"copies {device.resource} {how}")
            device.client.send(COPIES.format(how))

    async def talk(self) -> None:
        """Have the account or a service say something, where it need not be said again."""
        device = self.one()
        if device is None or not self.talks:
            return
        if self.random.random() < 0.5:
            self.trace.append(f"say {self.sent} by {device.resource}")
            device.client.send(_message(JULIET, self.sent))
        else:
            self.trace.append(f"say {self.sent} by a service")
            domain, stamp = self.stage.domain, self.stage.wall(self.stage.now)
            element = domain.reader.read(_message(JULIET, self.sent, f" from='{SERVICE}'"))
            domain.messages.send(element, SERVICE, JID(JULIET), stamp, self.stage.now)
        self.sent += 1

    async def look(self) -> None:
        """Look at a device, or do not (XEP-0352)."""
        device = self.one()
        if device is not None:
            how = self.random.choice(["active", "inactive"])
            self.trace.append(f"{how} {device.resource}")
            device.client.send(f"<{how} xmlns='{ns.CSI}'/>")

    async def read(self) -> None:
        for device in list(self.devices.values()):
            if not device.lost and self.random.random() < 0.8:
                self.read_one(device)
                most = len(device.stanzas)
                count = self.random.choice([most, self.random.randint(device.acknowledged, most)])
                if device.plain:
                    self.take(device, most)
                elif self.random.random() < 0.8:
                    self.acknowledge(device, count)
        self.listen()

    def read_one(self, device: Device) -> None:
        for text in stanzas(device.client.transport.take()):
            if " type='error'" in text:
                self.refused.add(number_of(text) or "")
            self.note(device, text)

    def acknowledge(self, device: Device, count: int) -> None:
        if device.client.session.state != "closed":
            self.take(device, count)
            self.trace.append(f"ack {device.resource} {count}")
            device.client.send(f"<a xmlns='{ns.SM_3}' h='{count}'/>")

    def take(self, device: Device, count: int) -> None:
        new = [each for each in device.stanzas[device.acknowledged : count] if each is not None]
        device.acknowledged = count
        self.taken.update(new)
        if not device.plain:
            self.fresh += new

    async def lose(self) -> None:
        device = self.one()
        if device is None:
            return
        self.trace.append(f"lose {device.resource}")
        self.part(device)
        if device.resuming is None:
            del self.devices[device.resource]
            device.client.lose()
        else:
            device.resuming.lose()

    def part(self, device: Device) -> None:
        """Let a device read what it still can before its connection is lost or its session ends."""
        sent = device.client.transport.sent
        if device.plain:
            # What the network did not take comes back.
            kept = self.random.randint(0, len(sent))
            device.client.transport.buffered = stanzas(sent[kept:])
            del sent[kept:]
            self.read_one(device)
            self.take(device, len(device.stanzas))
        else:
            self.read_one(device)

    async def resume(self) -> None:
        for device in list(self.devices.values()):
            if device.resuming is not None and device.lost and self.random.random() < 0.7:
                # It has got some of what was on its way.
                count = self.random.randint(device.acknowledged, len(device.stanzas))
                self.given[device.name].difference_update(device.stanzas[count:])
                del device.stanzas[count:]
                self.trace.append(f"resume {device.resource} {count}")
                if await device.resuming.resume(self.stage, "juliet", count):
                    self.take(device, count)
                else:
                    del self.devices[device.resource]
        await self.come_back()

    async def end(self) -> None:
        if not self.devices:
            return
        device = self.random.choice(list(self.devices.values()))
        del self.devices[device.resource]
        self.trace.append(f"end {device.resource}")
        if not device.lost:
            self.part(device)
        for session in self.sessions():
            if name_of(session) == device.name:
                session.close(self.random.choice(ENDS), self.stage.now)

    def sessions(self) -> list[Session]:
        """Return Juliet's sessions."""
        return [each for each in self.stage.manager.sessions if each.link.account == JULIET]

    def forget_ended(self) -> None:
        """Forget those whose sessions were ended, since too much waited for them."""
        for device in list(self.devices.values()):
            if not device.lost and device.client.session.state == "closed":
                self.trace.append(f"ended {device.resource}")
                del self.devices[device.resource]

    # What others do

    async def say(self) -> None:
        for _ in range(self.random.randint(1, 4)):
            to = JULIET
            if self.random.random() < 0.25:
                to = f"{JULIET}/r{self.random.randrange(self.most)}"
            sender = self.random.choice(self.senders)
            self.trace.append(f"say {self.sent} to {to} by {sender.name}")
            sender.say(_message(to, self.sent))
            self.sent += 1

    def listen(self) -> None:
        for sender in self.senders:
            if not sender.lost:
                self.refused.update(sender.read())

    async def come_back(self) -> None:
        for sender in self.senders:
            if sender.lost:
                await sender.come_back(self.stage)

    async def stall(self) -> None:
        running = self.stage.store.running
        if running.is_set():
            running.clear()
        else:
            running.set()
        self.trace.append(f"store {running.is_set()}")

    async def stall_one(self) -> None:
        store, name = self.stage.store, self.random.choice(SENDERS)
        if name in store.stopped:
            store.go_on(name)
        else:
            store.stop(name)

    def run_store(self) -> None:
        self.stage.store.running.set()
        for name in list(self.stage.store.stopped):
            self.stage.store.go_on(name)

    async def wait(self) -> None:
        for _ in range(self.random.randint(1, 12)):
            await asyncio.sleep(0)

    # What becomes of the process

    async def kill(self) -> None:
        if self.kills and self.random.random() < 0.5:
            await self.begin_anew(self.stage.killed)

    async def stop(self) -> None:
        if self.kills and self.random.random() < 0.25:
            await self.begin_anew(self.stage.stopped)

    async def begin_anew(self, end: Any) -> None:
        former = self.stage
        self.trace.append(end.__name__)
        for device in self.devices.values():
            if not device.lost and self.random.random() < 0.5:
                self.read_one(device)
        if self.random.random() < 0.5:
            self.listen()
        for each in (*self.devices.values(), *self.senders):
            resuming = each.resuming if isinstance(each, Device) else each
            if resuming is not None:
                resuming.lost = True
        self.stage = await end(self.end_of_process)
        self.stage.paper.told.append(self.written)
        assert self.stage is not former

    def end_of_process(self) -> None:
        """Note what is stored of which its sender was not told in time; the rest is forgotten."""
        self.run_store()
        self.fresh.clear()
        stage = self.stage
        written = stage.paper.read().sessions
        stored = set(map(number_of, stage.store.added))
        for sender in self.senders:
            session = written[sender.sm_id]
            known = {session.handled + each for each in session.beyond}
            for place, text in enumerate(sender.kept, sender.acked + 1):
                number = number_of(text)
                if place > session.handled and place not in known and number in stored:
                    self.doubtful.add(number or "")

    async def step(self) -> None:
        steps = [self.say] * 4 + [self.read] * 4 + [self.wait] * 4 + [self.come] * 2
        steps += [self.lose, self.resume, self.resume, self.end, self.hide, self.talk]
        steps += [self.change, self.change, self.copy, self.look]
        steps += [self.stall, self.stall_one, self.kill, self.stop]
        await self.random.choice(steps)()
        self.forget_ended()
        if self.tight:  # Too much would wait for those who say it, too.
            await self.come_back()
            self.listen()
        self.stage.now += 0.01

    async def finish(self) -> None:
        """End all in some order; whoever comes last gets what nobody has taken."""
        self.run_store()
        await self.come_back()
        await settle()
        self.listen()
        while self.devices:
            await settle()
            self.listen()
            await self.end()
        for session in self.sessions():
            # Its end was not written down before the process was killed.
            session.close(CloseReason.EXPIRED, self.stage.now)
        await settle()
        last = Device("last", await self.stage.bind("juliet", "last", sm=True), plain=False)
        last.client.send("<presence/>")
        for _ in range(1000):
            await settle()
            self.listen()
            before = len(last.stanzas)
            self.read_one(last)
            if last.acknowledged < len(last.stanzas):
                self.acknowledge(last, len(last.stanzas))
            if len(last.stanzas) == before and not self.stage.store.messages["juliet"]:
                break
        self.listen()
        numbers = {str(number) for number in range(self.sent)}
        self.faults += [f"{number} lost" for number in numbers - self.taken - self.refused]
        both = self.had.keys() & self.refused - self.doubtful
        self.faults += [f"{number} taken and refused" for number in both]
        self.faults += [f"{sender.name} is not told" for sender in self.senders if sender.kept]
        self.run_store()
        await self.stage.killed()


def _message(to: str, number: int, more: str = "") -> str:
    root = f"<message xmlns='{ns.CLIENT}' to='{to}' type='chat' id='{number}'{more}>"
    return f"{root}<body>x</body></message>"


async def play(name: str, seed: int) -> Play:
    played = Play(seed, **PLAYS[name])
    await played.begin()
    for _ in range(STEPS):
        await played.step()
    await played.finish()
    return played


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "PAGE_MESSAGES", 4)


@pytest.mark.parametrize("name", PLAYS)
async def test_each_message_is_taken_once(name: str):
    for seed in range(examples(4)):
        played = await play(name, seed)
        assert not played.faults, f"seed {seed}\n" + "\n".join(played.trace)
