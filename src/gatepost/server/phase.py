"""How far has a connection come? Its phases, in order. This file must not know what happens in them."""

from __future__ import annotations

from typing import Final

NEW: Final = 0
PROXY: Final = 1  # a PROXY header is awaited
HANDSHAKE: Final = 2
OPEN: Final = 3  # events are fed up to here
LEAVING: Final = 4  # the last words are said
CLOSED: Final = 5
