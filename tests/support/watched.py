"""A site with a chat that many are in, and whose own sign-in says who is an operator.

``/in/NAME`` signs a visitor in; Portia is an operator. The database is that of the environment.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from andiron import create_app
from andiron.testing import sign_in

TOKEN = "0123456789abcdef0123456789abcdef"
NAMES = """
antonio ariel beatrice benedick bottom brutus caliban calpurnia cassius celia cordelia
desdemona duncan edgar emilia falstaff feste fleance gertrude goneril hamlet hecate helena
hermia hippolyta horatio iago imogen laertes lear macbeth macduff malvolio mercutio miranda
oberon olivia ophelia orlando orsino othello paris perdita polonius prospero puck quince
rosalind sebastian shylock titania touchstone troilus tybalt viola
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The Globe</title>
<link rel="icon" href="data:,">
<script type="module" src="/chat/widget.js"></script>
<andiron-chat></andiron-chat>
"""


async def identify(connection: HTTPConnection) -> str | None:
    name: str | None = connection.session.get("name")
    return name


async def operators(connection: HTTPConnection) -> str | None:
    name = await identify(connection)
    return name if name == "portia" else None


async def page(request: Request) -> HTMLResponse:
    request.session["name"] = request.path_params["name"]
    return HTMLResponse(PAGE)


chat = create_app(domain="localhost", api_token=TOKEN, identify=identify, operators=operators)


@asynccontextmanager
async def lifespan(_site: Starlette) -> AsyncIterator[None]:
    async with chat.lifespan():
        people = [await sign_in(chat, name) for name in NAMES.split()]
        for at, one in enumerate(people):
            if at % 3:
                await one.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
                await one.next(lambda came: came.name == "enabled")
                await one.ask("<ping xmlns='urn:xmpp:ping'/>")
            for _ in range(at % 7):
                await chat.api.send(one.name, "The play is the thing.", sender="puck")
            if at % 9 == 1:
                one.cut()
        for room, subject in (("globe", "Tonight at eight"), ("forest", "Who is lost, and where")):
            await chat.api.create_room(room, name=f"The {room}", subject=subject)
            for one in (people[0], *people[2:6]):
                await one.join(room)
        yield


app = Starlette(
    routes=[Mount("/chat", chat), Route("/in/{name}", page)],
    # So that the cookie goes wherever a page of the same site asks for it to go.
    middleware=[Middleware(SessionMiddleware, secret_key="secret", same_site="lax")],
    lifespan=lifespan,
)
