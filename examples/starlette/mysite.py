"""A site that knows its users by Starlette's sessions, and their chat."""

import os
import secrets
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from andiron import create_app

PAGES = Path(__file__).parent / "pages"
CONVERSE = os.environ.get("CONVERSE", "node_modules/converse.js/dist")
PEOPLE = {"juliet": "capulet", "romeo": "montague"}  # yours are hashed, in a database


async def visitor(connection: HTTPConnection) -> str | None:
    name: str | None = connection.session.get("name")
    return name


chat = create_app(domain="localhost", identify=visitor)


async def home(request: Request) -> Response:
    page = "chat.html" if request.session.get("name") else "sign-in.html"
    policy = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "no-store"}
    return FileResponse(PAGES / page, headers=policy)


async def converse(_request: Request) -> Response:
    return FileResponse(PAGES / "converse.html")


async def me(request: Request) -> Response:
    name = request.session.get("name")
    return JSONResponse({"jid": name and f"{name}@localhost"})


async def sign_in(request: Request) -> Response:
    form = await request.form()
    name, password = str(form.get("name")), str(form.get("password"))
    if not secrets.compare_digest(PEOPLE.get(name, "").encode(), password.encode()):
        return RedirectResponse("/", 303)
    request.session.clear()  # what somebody may have put there before
    request.session["name"] = name
    return RedirectResponse("/", 303)


async def sign_out(request: Request) -> Response:
    name = request.session.pop("name", None)
    if name:
        chat.end_sessions(name)
    return RedirectResponse("/", 303)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/converse", converse),
        Route("/me", me),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Mount("/chat", chat),
        Mount("/pages", StaticFiles(directory=PAGES)),
        Mount("/converse.js", StaticFiles(directory=CONVERSE, check_dir=False)),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_hex())],
    lifespan=chat.lifespan,
)
