"""Texts as frames, beside the library that frames everything else."""

import pytest
from websockets.frames import Frame, Opcode

from andiron.serving.frames import text_frame

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 262_144)


@pytest.mark.parametrize("size", SIZES)
def test_a_text_is_framed_as_the_library_does(size: int) -> None:
    text = "x" * size

    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@pytest.mark.parametrize("text", ["é" * 63, "\N{FIRE}" * 32, "a\N{FIRE}"])
def test_the_length_is_that_of_the_bytes(text: str) -> None:
    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_what_utf_8_cannot_say_is_no_frame() -> None:
    with pytest.raises(UnicodeEncodeError):
        text_frame("\ud800")
