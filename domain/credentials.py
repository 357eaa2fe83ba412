"""SCRAM keys."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Credentials", "ScramKeys", "decoy", "derive", "verify_password"]


@dataclass(frozen=True, slots=True)
class ScramKeys:
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    keys: Mapping[str, ScramKeys]


def derive(password: str, iterations: int = 10_000) -> Credentials:
    raise NotImplementedError


def verify_password(credentials: Credentials, password: str) -> bool:
    raise NotImplementedError


def decoy(secret: bytes, username: str, iterations: int) -> Credentials:
    raise NotImplementedError
