"""What rooms cost: a message to all, a join, a change of presence, by number of occupants.

    python bench/rooms.py [occupants ...]

Sessions write to nowhere, so the figures are the rooms' and the sessions' own,
without the transports'. They are processor time, medians of some rounds.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.domains import settle
from support.rooms import MUC, ROOM, RoomStage, configure

from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import Affiliation, Role

ROUNDS = 15
BODY = "x" * 200
MESSAGE = (
    f"<message xmlns='jabber:client' type='groupchat' id='m' to='{ROOM}'>"
    f"<body>{BODY}</body></message>"
)
COLUMNS = (
    "occupants",
    "message",
    "per copy",
    "presence",
    "per copy",
    "enter, history too",
    "leave",
)


class Nowhere(list[str]):
    """Takes what is sent and keeps nothing."""

    def append(self, _text: str) -> None:
        return


async def crowd(stage: RoomStage, size: int) -> None:
    """Seat people without telling those who sit already, which would take the square of it."""
    room = stage.room
    for number in range(size):
        client = await stage.bind(f"p{number}", "here")
        client.transport.sent = Nowhere()
        occupant = Occupant(
            room.jid, f"n{number}", client.link.account, Affiliation.NONE, Role.PARTICIPANT
        )
        room.sit(occupant, client.link, "")


def median(action: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Return the microseconds that an action takes."""
    took = []
    for _ in range(rounds):
        began = time.process_time()
        action()
        took.append(time.process_time() - began)
    return statistics.median(took) * 1e6


async def measure(size: int) -> tuple[float, ...]:
    stage = RoomStage(max_occupants=100_000)
    owner = await stage.come("juliet", "here")
    owner.send(f"<presence to='{ROOM}/owner'>{MUC}</presence>")
    await settle()
    await configure(owner)
    owner.transport.sent = Nowhere()
    await crowd(stage, size - 1)
    visitor = await stage.come("romeo", "here")
    visitor.transport.sent = Nowhere()
    for _ in range(20):
        owner.send(MESSAGE)
    await settle()
    message = median(lambda: owner.send(MESSAGE))
    shows = iter(range(1_000))

    def show() -> None:
        owner.send(f"<presence to='{ROOM}/owner'><status>{next(shows)}</status></presence>")

    presence = median(show)
    entered, left = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        visitor.send(f"<presence to='{ROOM}/visitor'>{MUC}</presence>")
        entered.append(time.process_time() - began)
        began = time.process_time()
        visitor.send(f"<presence to='{ROOM}/visitor' type='unavailable'/>")
        left.append(time.process_time() - began)
    return (
        message,
        message / size,
        presence,
        presence / size,
        statistics.median(entered) * 1e6,
        statistics.median(left) * 1e6,
    )


async def main(sizes: list[int]) -> None:
    print("µs | " + " | ".join(COLUMNS))
    for size in sizes:
        row = await measure(size)
        print(f"| {size:,} | " + " | ".join(f"{each:,.1f}" for each in row))


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [1, 100, 500, 5_000, 10_000]))
