"""Where does changed text stand? Texts that keep the places of what they have in common with what they were."""

from __future__ import annotations

from gatepost.config.located import Located, Run
from gatepost.span import Span


def at_place(text: str, span: Span | None) -> Located:
    """A text that stands, all of it, at one place."""
    return Located(text, (Run(0, span),) if span is not None else ())


def kept(before: Located, after: str, place: Span | None) -> Located:
    """`after`, with the places of what it still shares with `before` at its front and end; what is new stands at
    `place`."""
    shortest = min(len(before.text), len(after))
    front = 0
    while front < shortest and before.text[front] == after[front]:
        front += 1
    back = 0
    while back < shortest - front and before.text[-1 - back] == after[-1 - back]:
        back += 1
    middle = at_place(after[front : len(after) - back], place)
    return Located.join([before.slice(0, front), middle, before.slice(len(before.text) - back)])
