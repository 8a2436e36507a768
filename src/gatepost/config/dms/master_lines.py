"""What does each line of a postfix-master.cf do? It sets one parameter of one service, or nothing.

The file is no master.cf: docker-mailserver hands each line that begins with a lower-case letter or a digit to
`postconf -P` as service/type/parameter=value, and every other line, and every line that postconf refuses, does nothing.
Parsing never raises. Format: postconf(1), -P, tried on 3.7. This file must not know which services there are.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace

from gatepost.config.dms.release import Release
from gatepost.config.located import BLANKS, Located
from gatepost.config.source import physical_lines
from gatepost.span import Span


class Ignored(enum.Enum):
    """Why a line does nothing; the value says it to the operator."""

    FIRST = "does not begin with a lower-case letter or a digit"
    FORM = "is not service/type/parameter=value"
    NO_VALUE = "has no `=`"
    BLANK = "has a blank in the value"
    LOST = "is the last line and has no line end"
    SERVICE = "names a service that does not exist"


TWINS = {"smtps": "submissions", "submissions": "smtps"}
"""The service on port 465 has the second name since v13."""


@dataclass(frozen=True, slots=True)
class MasterLine:
    """One line that is no comment: either the setting it makes, or why it is ignored. `span`: the whole line."""

    text: str
    span: Span
    service: str = ""
    type: str = ""
    name: str = ""
    name_span: Span | None = None
    value: Located | None = None
    ignored: Ignored | None = None
    ignored_span: Span | None = None
    """The offending characters."""

    @property
    def key(self) -> str:
        """The service as `name/type`."""
        return f"{self.service}/{self.type}"


def parse(file: str, text: str, release: Release) -> list[MasterLine]:
    """Every line of the file that is neither empty nor a comment."""
    lines = physical_lines(text)
    found = []
    for number, line in enumerate(lines, 1):
        place = Located.at(line.removesuffix("\n"), file, number).strip()
        if not place.text or place.text.startswith("#"):
            continue
        read = _line(place)
        last = number == len(lines) and not line.endswith("\n")
        if last and read.ignored is None and not release.since("14.0"):
            read = replace(read, ignored=Ignored.LOST, ignored_span=place.span())
        found.append(read)
    return found


def _line(place: Located) -> MasterLine:
    text = place.text
    if not re.match(r"[0-9a-z]", text):
        return _ignored(place, Ignored.FIRST, place.slice(0, 1))
    equals = text.find("=")
    if equals < 0:
        return _ignored(place, Ignored.NO_VALUE, place)
    left, value = place.slice(0, equals).strip(), place.slice(equals + 1).strip()
    fields = left.text.split("/")
    if len(fields) != 3 or not all(fields) or any(char in BLANKS for char in left.text):
        return _ignored(place, Ignored.FORM, left)
    service, kind, name = fields
    at = left.text.rindex("/") + 1
    blank = re.search(f"[{BLANKS}]", value.text)
    span = place.span() or Span("", 0)
    return MasterLine(text, span, service, kind, name, left.span(at), value, Ignored.BLANK if blank else None,
                      value.span(blank.start(), blank.end()) if blank else None)


def _ignored(place: Located, why: Ignored, what: Located) -> MasterLine:
    return MasterLine(place.text, place.span() or Span("", 0), ignored=why, ignored_span=what.span())
