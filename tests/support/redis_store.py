"""Redis without a server: what the journal asks of it is done, answered or lost when told to."""

from collections.abc import Callable
from dataclasses import dataclass

from andiron.cluster.redis.store import (
    Answer,
    Append,
    Broken,
    Done,
    Join,
    Joined,
    Operation,
    Refused,
    Switch,
)


@dataclass
class Call:
    """An operation on its way, by a connection."""

    line: int
    operation: Operation
    answered: Callable[[Answer], object]
    answer: Answer | None = None


class MemoryRedis:
    """What the server has."""

    def __init__(self) -> None:
        self.holder = ""
        self.writer: tuple[str, int] = ("", 0)
        self.current = ""
        self.lists: dict[str, list[bytes]] = {}
        self.full = False
        """Whether it has no memory for more."""

    def lines(self) -> list[bytes]:
        return self.lists.get(self.current, [])

    def lose(self) -> None:
        """Be started again without what it had."""
        self.writer, self.current = ("", 0), ""
        self.lists.clear()

    def do(self, token: str, line: int, operation: Operation) -> Answer:
        """Do what the scripts do."""
        if self.holder != token:
            return Refused() if self.holder else Broken("it does not know who is home")
        if isinstance(operation, Join):
            return self._join(token, line, operation)
        if self.writer != (token, line):
            return Broken("another connection has joined")
        if isinstance(operation, Append):
            return self._append(operation)
        return self._switch(operation)

    def _join(self, token: str, line: int, operation: Join) -> Answer:
        if operation.abandoned != self.current:
            self.lists.pop(operation.abandoned, None)
        if self.full:
            return Broken("no memory")
        self.writer = token, line
        return Joined(self.current, len(self.lines()))

    def _append(self, operation: Append) -> Answer:
        if self.full and operation.lines:
            return Broken("no memory")
        found = self.lists.get(operation.name, [])
        if len(found) == operation.at and operation.lines:
            found += operation.lines
            self.lists[operation.name] = found
        return Done(len(found))

    def _switch(self, operation: Switch) -> Answer:
        if len(self.lists.get(operation.name, [])) != operation.length:
            return Done(0)
        if self.current != operation.name:
            self.lists.pop(self.current, None)
        self.current = operation.name
        return Done(1)


class MemoryStore:
    """A process's connections to it; each is in order, but one that broke may be late."""

    def __init__(self, redis: MemoryRedis, token: str) -> None:
        self.redis = redis
        self.token = token
        self.line = 0
        self.broken: Broken | None = None
        """What is answered by a connection that broke, though nobody was told when it did."""
        self.calls: list[Call] = []
        """Sent by the connection that there is, and not answered."""
        self.late: list[Call] = []
        """Sent by those that broke, and not done."""

    def send(self, operation: Operation, answered: Callable[[Answer], object]) -> None:
        if isinstance(operation, Join):
            self.cut("connected anew")
            self.line += 1
            self.broken = None
        self.calls.append(Call(self.line, operation, answered, self.broken))

    def do_one(self) -> bool:
        """Have the server do the next that it has not done; tell whether there was one."""
        for call in self.calls:
            if call.answer is None:
                call.answer = self.redis.do(self.token, call.line, call.operation)
                return True
        return False

    def answer_one(self) -> bool:
        """Have the next answer come, if there is one."""
        if not self.calls or self.calls[0].answer is None:
            return False
        call = self.calls.pop(0)
        assert call.answer is not None
        call.answered(call.answer)
        if isinstance(call.answer, Broken):
            self.cut(call.answer.why)
        return True

    def all(self) -> None:
        """Have everything done and answered, as long as something is asked."""
        while self.do_one() or self.answer_one():
            pass

    def cut(self, why: str = "cut") -> None:
        """Break the connection; what was not done may be done later."""
        self.broken = Broken(why)
        calls, self.calls = self.calls, []
        self.late += [call for call in calls if call.answer is None]
        for call in calls:
            call.answered(self.broken)

    def do_late(self) -> None:
        """Have the server do what was on its way when connections broke."""
        late, self.late = self.late, []
        for call in late:
            self.redis.do(self.token, call.line, call.operation)
