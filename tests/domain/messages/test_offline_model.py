"""Whatever becomes of sessions: each message is acknowledged once, and in its sender's order.

Sessions of one account come, are lost, resumed and ended at any time, beside a store that
stands still at times, for all or for one sender. One client at a time sees all of each sender
in order, but for what an ended session had and did not acknowledge: that may come behind what
was stored meanwhile. Of several, no message is missing, or is acknowledged by two.
"""

import asyncio
import re
from random import Random

import pytest
from support.domains import AUTH, Client, Stage, settle
from support.thorough import examples

from andiron.domain.messages import mailbox
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns

JULIET = "juliet@localhost"
SEEDS = examples(40)
STEPS = 120
MESSAGE = re.compile(r"^<message[^>]* id='(\d+)'")
SENDERS = ("romeo", "tybalt", "nurse")


class Device:
    """A client of Juliet's, which forgets nothing that it acknowledged."""

    def __init__(self, client: Client, priority: int) -> None:
        self.client = client
        self.priority = priority
        self.stanzas: list[str | None] = []
        """The messages, by number, and None for whatever else came."""
        self.acknowledged = 0
        self.lost = False

    @property
    def session(self):
        return self.client.session

    def show(self) -> None:
        """Become available, with a priority of its own: one gets what is for the account."""
        self.client.send(f"<presence><priority>{self.priority}</priority></presence>")

    def read(self) -> None:
        for tree in self.client.take():
            kind = tree.tag.rpartition("}")[2]
            if kind in {"message", "presence", "iq"}:
                self.stanzas.append(tree.get("id") if kind == "message" else None)

    def acknowledge(self, count: int) -> list[str]:
        """Acknowledge so many stanzas in all; return the messages that are new among them."""
        new = self.stanzas[self.acknowledged : count]
        self.acknowledged = count
        self.client.send(f"<a xmlns='{ns.SM_3}' h='{count}'/>")
        return [each for each in new if each is not None]


class Play:
    def __init__(self, seed: int, devices: int) -> None:
        self.random = Random(seed)
        self.stage = Stage(SmConfig(idle_probe=0, request_every=3))
        self.most = devices
        self.devices: list[Device] = []
        self.sent = 0
        self.saying: list[str] = []
        """Who said each."""
        self.taken: list[str] = []
        self.late: set[str] = set()
        """What ended sessions did not acknowledge."""
        self.names = 0

    async def begin(self) -> None:
        self.stage.add_account(*SENDERS[1:])
        self.senders = {name: await self.stage.bind(name, "street") for name in SENDERS}

    async def come(self) -> None:
        if len(self.devices) >= self.most:
            return
        self.names += 1
        client = await self.stage.bind("juliet", f"r{self.names}", sm=True)
        device = Device(client, self.names % 100)
        device.show()
        self.devices.append(device)

    async def say(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            to = JULIET
            if self.most > 1 and self.devices and self.random.random() < 0.2:
                to = self.random.choice(self.devices).client.jid
            name = self.random.choice(SENDERS)
            self.senders[name].send(
                f"<message to='{to}' type='chat' id='{self.sent}'><body>x</body></message>"
            )
            self.saying.append(name)
            self.sent += 1

    async def read(self) -> None:
        for device in self.devices:
            if not device.lost:
                device.read()
                most = len(device.stanzas)
                count = self.random.choice([most, self.random.randint(device.acknowledged, most)])
                self.taken += device.acknowledge(count)

    async def lose(self) -> None:
        if self.devices:
            device = self.random.choice(self.devices)
            if not device.lost:
                device.read()
                device.client.lose()
                device.lost = True

    async def resume(self) -> None:
        for device in self.devices:
            if device.lost and self.random.random() < 0.7:
                session = device.session
                again = self.stage.connect()
                again.open()
                again.send(AUTH.format("juliet"))
                await settle()
                again.open()
                again.take()
                # It has got some of what was on its way.
                count = self.random.randint(device.acknowledged, len(device.stanzas))
                new = device.stanzas[device.acknowledged : count]
                self.taken += [each for each in new if each is not None]
                del device.stanzas[count:]
                device.acknowledged = count
                again.send(
                    f"<resume xmlns='{ns.SM_3}' h='{count}' previd='{session.management.id}'/>"
                )
                again.session = again.transport.session
                device.client = again
                device.lost = False

    async def end(self) -> None:
        if self.devices:
            device = self.devices.pop(self.random.randrange(len(self.devices)))
            self.stage.now += 1
            queue = device.session.management.queue
            self.late |= {MESSAGE.search(text)[1] for text, *_ in queue if MESSAGE.search(text)}
            device.session.close(CloseReason.EXPIRED, self.stage.now)

    async def hide(self) -> None:
        for device in self.devices:
            if not device.lost and self.random.random() < 0.5:
                # What comes from now on is stored at once, and what it has not acknowledged
                # when it ends.
                device.read()
                self.taken += device.acknowledge(len(device.stanzas))
                device.client.send("<presence type='unavailable'/>")

    async def show(self) -> None:
        for device in self.devices:
            if not device.lost and device.client.link.priority is None:
                device.show()

    async def stall(self) -> None:
        running = self.stage.store.running
        if running.is_set():
            running.clear()
        else:
            running.set()

    async def stall_one(self) -> None:
        store, name = self.stage.store, self.random.choice(SENDERS)
        if name in store.stopped:
            store.go_on(name)
        else:
            store.stop(name)

    async def wait(self) -> None:
        for _ in range(self.random.randint(1, 12)):
            await asyncio.sleep(0)

    async def step(self) -> None:
        steps = [self.say] * 4 + [self.read] * 4 + [self.wait] * 4 + [self.come, self.lose]
        steps += [self.resume, self.resume, self.end, self.hide, self.show, self.stall]
        steps += [self.stall_one, self.stall_one]
        await self.random.choice(steps)()
        self.stage.now += 0.01

    async def finish(self) -> None:
        self.stage.store.running.set()
        for name in list(self.stage.store.stopped):
            self.stage.store.go_on(name)
        while self.devices:
            await settle()
            await self.end()
        await settle()
        await self.come()
        for _ in range(1000):
            await settle()
            self.devices[0].read()
            new = self.devices[0].acknowledge(len(self.devices[0].stanzas))
            self.taken += new
            await settle()
            if not new and not self.stage.store.messages["juliet"]:
                break
        assert [sender.take() for sender in self.senders.values()] == [[]] * len(SENDERS)
        await self.stage.domain.stop()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "PAGE_MESSAGES", 4)


@pytest.mark.parametrize("devices", [1, 3])
async def test_each_message_is_acknowledged_once(devices: int):
    for seed in range(SEEDS):
        play = Play(seed, devices)
        await play.begin()
        for _ in range(STEPS):
            await play.step()
        await play.finish()
        numbers = [int(each) for each in play.taken]
        assert sorted(numbers) == list(range(play.sent)), seed
        if devices == 1:
            for name in SENDERS:
                said = [int(each) for each in play.taken if each not in play.late]
                own = [number for number in said if play.saying[number] == name]
                assert own == sorted(own), seed
