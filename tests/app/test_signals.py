"""What happens between a signal and the end of the process."""

import asyncio
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from support.asgi import settle

from andiron.signals import before_exit, instead_of_exit


@contextmanager
def handled(number, handler):
    """Let a signal have a handler, as a server does before it runs the lifespan."""
    original = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, original)


class Heard(list):
    def handle(self, number, frame):
        self.append(number)

    def begin(self):
        self.append("begin")


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request):
    return request.param


async def test_who_handles_a_signal_hears_of_it_when_the_last_words_are_out(heard, number):
    async def speak():
        for _ in range(3):
            await asyncio.sleep(0)
        heard.append("said")

    def begin():
        heard.begin()
        tasks.append(asyncio.create_task(speak()))

    tasks = []
    with handled(number, heard.handle):
        with before_exit(begin, 60):
            signal.raise_signal(number)
            assert heard == []
            await settle()
            assert heard == ["begin", "said", number]
        assert signal.getsignal(number) == heard.handle


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_signal_acts_when_the_block_ends_before(heard, number, turns):
    with handled(number, heard.handle):
        with before_exit(heard.begin, 60):
            signal.raise_signal(number)
            for _ in range(turns):
                await asyncio.sleep(0)
        await settle()
        assert heard[-1] == number
        assert heard.count(number) == 1


@pytest.mark.parametrize(
    ("number", "acted"), [(signal.SIGTERM, []), (signal.SIGINT, [signal.SIGINT])]
)
async def test_ctrl_c_again_waits_for_nothing(heard, number, acted):
    """SIGTERM comes again from the first process of a server, after it came to all."""
    with handled(number, heard.handle), before_exit(heard.begin, 60):
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert heard == acted
        await settle()
        assert heard == [*acted, "begin", number]


async def test_a_beginning_that_fails_keeps_no_signal(heard, number):
    failed = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: failed.append(what))

    def begin():
        raise ZeroDivisionError

    with handled(number, heard.handle), before_exit(begin, 60):
        signal.raise_signal(number)
        await settle()
        assert heard == [number]
    assert isinstance(failed[0]["exception"], ZeroDivisionError)


async def test_ctrl_c_that_nobody_handles_is_pythons():
    with handled(signal.SIGINT, signal.default_int_handler), before_exit(int, 60):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def test_what_is_ignored_stays_ignored(number):
    with handled(number, signal.SIG_IGN), before_exit(int, 60), instead_of_exit(int):
        assert signal.getsignal(number) is signal.SIG_IGN


async def test_an_end_that_comes_in_time_is_the_end(heard):
    with handled(signal.SIGTERM, signal.SIG_DFL):
        for turns in (0, 1):
            with before_exit(heard.begin, 60):
                signal.raise_signal(signal.SIGTERM)
                for _ in range(turns):
                    await asyncio.sleep(0)
        await settle()
        assert heard == ["begin"]


async def test_two_end_in_any_order(heard):
    with handled(signal.SIGTERM, heard.handle):
        first, second = (
            before_exit(heard.begin, 60),
            before_exit(heard.begin, 60),
        )
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        signal.raise_signal(signal.SIGTERM)
        await settle()
        assert heard == ["begin", signal.SIGTERM]
        second.__exit__(None, None, None)
        signal.raise_signal(signal.SIGTERM)
        assert heard == ["begin", signal.SIGTERM, signal.SIGTERM]


async def test_a_signal_is_kept_until_the_end(heard, number):
    with handled(number, heard.handle):
        with instead_of_exit(heard.begin):
            signal.raise_signal(number)
            await settle()
            assert heard == ["begin"]
        assert heard == ["begin", number]


async def test_a_second_signal_is_not_kept(heard):
    with handled(signal.SIGTERM, heard.handle):
        with instead_of_exit(heard.begin):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert heard == [signal.SIGTERM]
        assert heard == [signal.SIGTERM, signal.SIGTERM]


def test_outside_the_main_thread_nothing_is_heard(heard):
    async def inside():
        with before_exit(heard.begin, 60), instead_of_exit(heard.begin):
            pass

    async def outside():
        await asyncio.to_thread(asyncio.run, inside())

    asyncio.run(outside())
    assert heard == []


SCRIPT = """
import asyncio, signal
from andiron.signals import before_exit

async def main():
    begun = asyncio.Event()
    with before_exit(begun.set, {patience}):
        print("ready", flush=True)
        await begun.wait()
        print("begun", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize(("patience", "signals"), [(0.01, 1), (600, 2)])
def test_a_signal_nobody_handles_acts_in_the_end(patience, signals):
    """By itself after a while; at once when it comes again."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(patience=patience)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "begun\n"
        if signals == 2:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
