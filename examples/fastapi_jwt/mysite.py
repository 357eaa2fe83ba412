"""A site that signs its users in by JSON Web Tokens, and their chat."""

import os
import secrets
import time
from pathlib import Path
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from andiron import create_app

PAGES = Path(__file__).parent / "pages"
CONVERSE = os.environ.get("CONVERSE", "node_modules/converse.js/dist")
PEOPLE = {"juliet": "capulet", "romeo": "montague"}  # yours are hashed, in a database
SECRET = os.environ.get("SECRET", secrets.token_hex(32))

chat = create_app(domain="localhost", token_secret=SECRET, registration_changes=False)
app = FastAPI(lifespan=chat.lifespan)
app.mount("/chat", chat)


class Person(BaseModel):
    name: str
    password: str


def signed_in(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        name: str = jwt.decode(token.credentials, SECRET, ["HS256"])["sub"]
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    return name


@app.post("/token")
async def sign_in(person: Person) -> dict[str, str]:
    password = PEOPLE.get(person.name, "")
    if not secrets.compare_digest(password.encode(), person.password.encode()):
        raise HTTPException(401)
    return {"token": jwt.encode({"sub": person.name, "exp": time.time() + 3600}, SECRET, "HS256")}


@app.post("/sign-out")
async def sign_out(name: Annotated[str, Depends(signed_in)]) -> None:
    chat.end_sessions(name)


@app.get("/")
async def home() -> FileResponse:
    return FileResponse(
        PAGES / "index.html", headers={"Content-Security-Policy": "default-src 'self'"}
    )


@app.get("/converse")
async def converse() -> FileResponse:
    return FileResponse(PAGES / "converse.html")


app.mount("/pages", StaticFiles(directory=PAGES))
app.mount("/converse.js", StaticFiles(directory=CONVERSE, check_dir=False))
