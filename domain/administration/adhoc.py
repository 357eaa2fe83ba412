"""Ad-hoc commands, XEP-0050: forms that admins fill in, and that do something.

Each command has one form, or none. Nobody else finds any, and executing one is forbidden.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from andiron.domain.about.disco import Disco, info
from andiron.domain.accounts.accounts import AccountError, AccountExists, NoSuchAccount
from andiron.domain.registry import Identity, IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.forms import Field, Form, find_form, write_form

__all__ = ["AdHoc", "Command", "Done"]

audit = logging.getLogger("andiron.audit")

_SESSIONS: Final = 1_000
"""Forms that may be open at a time; then the oldest cannot be submitted any more."""
_FORWARD: Final = frozenset({"", "execute", "next", "complete"})
_ACTIONS: Final = _FORWARD | {"prev", "cancel"}
_CONDITIONS: Final[dict[type[AccountError], StanzaCondition]] = {
    AccountExists: StanzaCondition.CONFLICT,
    NoSuchAccount: StanzaCondition.ITEM_NOT_FOUND,
}
"""Of what may be wrong with an account; all else is not acceptable (XEP-0133 section 5)."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has led to."""

    told: str
    """A sentence for the admin and for the log: without passwords."""
    fields: Sequence[Field] = ()
    """What was asked for, if anything was."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``run`` raises :class:`StanzaError` or :class:`AccountError`."""

    node: str
    name: str
    fields: Sequence[Field]
    """Its form; empty where it is done at once."""
    run: Callable[[IqRequest, Form], Awaitable[Done]]
    secret: bool = False
    """Whether its form has a password, which must not pass in the clear."""


class AdHoc:
    """Lets admins find commands, and executes them; each leaves a line in the log."""

    def __init__(
        self, domain: str, form_type: str, admins: Collection[str], commands: Iterable[Command]
    ) -> None:
        """``admins`` are bare JIDs."""
        self._domain = domain
        self._form_type = form_type
        self.admins = frozenset(admins)
        """May be replaced."""
        self._commands = {command.node: command for command in commands}
        self._sessions: OrderedDict[str, tuple[str, str]] = OrderedDict()
        """By session id: who was given the form, by full JID, and of which command."""

    def register(self, registry: Registry, disco: Disco) -> None:
        """Answer at the domain's own address."""
        registry.add(Target.DOMAIN, "set", ns.COMMANDS, "command", self._execute)
        disco.hidden = self

    # What disco tells whom

    def features(self, request: IqRequest) -> tuple[str, ...]:
        """Return what the domain has for who asks besides what it has for all."""
        return (ns.COMMANDS,) if self._may(request) else ()

    def info(self, request: IqRequest, node: str) -> str | None:
        """Return what ``disco#info`` tells about a node; None for nothing."""
        if not self._may(request):
            return None
        if node == ns.COMMANDS:
            return info([Identity("automation", "command-list")], [], node=node)
        command = self._commands.get(node)
        if command is None:
            return None
        identity = Identity("automation", "command-node", command.name)
        return info([identity], [ns.COMMANDS, ns.DATA], node=node)

    def items(self, request: IqRequest, node: str) -> str | None:
        """Return what ``disco#items`` tells about a node; None for nothing."""
        if not self._may(request):
            return None
        inner = ""
        if node == ns.COMMANDS:
            inner = "".join(
                f"<item jid='{escape(self._domain)}' node='{escape(command.node)}'"
                f" name='{escape(command.name)}'/>"
                for command in self._commands.values()
            )
        elif node not in self._commands:
            return None
        return f"<query xmlns='{ns.DISCO_ITEMS}' node='{escape(node)}'>{inner}</query>"

    # Execution

    def _may(self, request: IqRequest) -> bool:
        return request.client.owner.registered and request.account in self.admins

    def _execute(self, request: IqRequest) -> str | Awaitable[str]:
        """Take one step of a command: give its form, or do it."""
        command = self._permitted(request)
        action, session = request.payload.get("action", ""), request.payload.get("sessionid")
        if action not in _ACTIONS:
            raise _bad("malformed-action", f"{action[:20]!r} is no action")
        if session is None:
            return self._begin(request, command, action)
        if self._sessions.get(session) != (request.sender, command.node):
            raise _bad("bad-sessionid", "no such form is open: begin anew")
        form = find_form(request.payload)
        if action == "cancel" or (form is not None and form.type == "cancel"):
            del self._sessions[session]
            return self._written(command, session, "canceled")
        if action not in _FORWARD:
            raise _bad("bad-action", "nothing comes before this form")
        if form is None or form.type != "submit" or form.form_type not in ("", self._form_type):
            raise _bad("bad-payload", "submit the form")
        for field in command.fields:
            if field.required and not any(map(str.strip, form.fields.get(field.var, ()))):
                raise _bad("bad-payload", f"{field.var} is missing")
        return self._run(request, command, form, session)

    def _permitted(self, request: IqRequest) -> Command:
        """Return the command that is asked for. Raises :class:`StanzaError` where it may not be."""
        node = request.payload.get("node", "")
        if not self.admins:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        if not self._may(request):
            self._log(request, "%s may not execute %s", node[:100])
            raise StanzaError(StanzaCondition.FORBIDDEN)
        command = self._commands.get(node)
        if command is None:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
        if command.secret and not request.client.session.channel.secure:
            raise StanzaError(
                StanzaCondition.NOT_AUTHORIZED,
                "passwords need an encrypted connection",
                type="modify",
            )
        return command

    def _begin(self, request: IqRequest, command: Command, action: str) -> str | Awaitable[str]:
        if action not in ("", "execute"):
            raise _bad("bad-action", "execute it first")
        session = secrets.token_urlsafe(12)
        if not command.fields:
            return self._run(request, command, Form("submit", {}), session)
        self._sessions[session] = request.sender, command.node
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        form = write_form("form", self._form_type, command.fields, title=command.name)
        actions = "<actions execute='complete'><complete/></actions>"
        return self._written(command, session, "executing", actions + form)

    async def _run(self, request: IqRequest, command: Command, form: Form, session: str) -> str:
        """Do it; a failure, which is raised as :class:`StanzaError`, ends it, too."""
        name = command.node.rpartition("#")[2]
        try:
            done = await command.run(request, form)
        except (AccountError, StanzaError) as error:
            self._log(request, "%s executed %s in vain: %s", name, str(error))
            raise self._failure(command, session, error) from None
        finally:
            self._sessions.pop(session, None)
        self._log(request, "%s executed %s: %s", name, done.told)
        inner = _note("info", done.told)
        if done.fields:
            inner += write_form("result", self._form_type, done.fields)
        return self._written(command, session, "completed", inner)

    def _failure(
        self, command: Command, session: str, error: AccountError | StanzaError
    ) -> StanzaError:
        """Return the error for a command that failed (XEP-0133 section 5), with a note.

        The note is what XEP-0050 wants ("Commands Successful/Failed"). Some clients call a
        command done that has no more than that, and others show nothing but it.
        """
        if isinstance(error, AccountError):
            condition = _CONDITIONS.get(type(error), StanzaCondition.NOT_ACCEPTABLE)
            error = StanzaError(condition, str(error))
        note = _note("error", error.text or error.condition)
        error.beside = self._written(command, session, "completed", note)
        return error

    def _written(self, command: Command, session: str, status: str, inner: str = "") -> str:
        head = f"<command xmlns='{ns.COMMANDS}' node='{escape(command.node)}'"
        return f"{head} sessionid='{escape(session)}' status='{status}'>{inner}</command>"

    def _log(self, request: IqRequest, message: str, *details: str) -> None:
        audit.info(message, request.account, *details, extra=request.client.session.logged)


def _note(kind: str, text: str) -> str:
    return f"<note type='{kind}'>{escape_text(text)}</note>"


def _bad(condition: str, text: str) -> StanzaError:
    extra = f"<{condition} xmlns='{ns.COMMANDS}'/>"
    return StanzaError(StanzaCondition.BAD_REQUEST, text, extra=extra)
