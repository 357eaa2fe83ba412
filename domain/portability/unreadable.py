"""Why an account cannot be taken over."""

__all__ = ["UnreadableError"]


class UnreadableError(Exception):
    """Something of an account makes no sense, or is over a bound: a part of a sentence."""

    def __init__(self, reason: str, place: str = "") -> None:
        """``place`` says where, if that is known."""
        super().__init__(f"{reason} ({place})" if place else reason)
        self.reason = reason
