"""Where the site's code hears of what happens in the chat, and decides about messages."""

from andiron.hooks.hooks import Hooks
from andiron.hooks.values import Message, Refuse, RoomEvent, RoomMessage, SignIn, SignOff, Started

__all__ = ["Hooks", "Message", "Refuse", "RoomEvent", "RoomMessage", "SignIn", "SignOff", "Started"]
