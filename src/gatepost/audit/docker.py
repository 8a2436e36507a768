"""How is a change written for docker-mailserver? A Change becomes an override that works: file, line, form.

What the operator set is changed where it is set. A new value goes into postfix-main.cf, an option of a service into
postfix-master.cf, and what start-up puts together, columns and new services into user-patches.sh, which runs last. The
change is first made in the configuration that is in force (edits.py); each setting that differs then is written where
it counts, and the result is understood anew: an override that does not arrive is CannotWrite. This file must not know
rules, nor read or write files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gatepost.audit import edits, patch_lines
from gatepost.audit.change import (
    AddItems,
    AddService,
    Change,
    DropEarlier,
    DropItems,
    RemoveSetting,
    Rename,
    ReplaceItem,
    SetField,
    SetValue,
)
from gatepost.audit.texts import CannotWrite, Home, Texts
from gatepost.config.dms.effective import Effective
from gatepost.config.dms.master_lines import TWINS, Ignored
from gatepost.config.dms.names import MAIN, MASTER, OVERRIDES, PATCHES
from gatepost.config.master import Service
from gatepost.config.source import physical_lines
from gatepost.span import Span

Items = DropItems | AddItems | ReplaceItem
BY_SSL_TYPE = ("smtpd_tls_security_level", "smtpd_tls_wrappermode", "smtpd_tls_auth_only")
"""What SSL_TYPE decides for all services."""
RECREATE = "recreate the container (docker compose up -d --force-recreate): a restart does not read the overrides"


@dataclass(frozen=True, eq=False)
class Overrides:
    """The operator's override files, and what they make of the release. Two are equal when the files are."""

    effective: Effective

    @property
    def texts(self) -> Mapping[str, str]:
        """Text by name, of those that exist."""
        return self.effective.folder.texts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overrides) and dict(self.texts) == dict(other.texts)

    def __hash__(self) -> int:
        return hash(frozenset(self.texts.items()))

    def files(self) -> dict[str, str]:
        """Path -> text."""
        return {self.effective.folder.path(name): text for name, text in self.texts.items()}

    def with_text(self, name: str, text: str) -> Overrides:
        """The same with another text of one file, understood anew."""
        return Overrides(self.effective.with_texts(dict(self.texts) | {name: text}))

    def with_patch(self, command: str, comment: str) -> Overrides:
        """The same with one more command in user-patches.sh."""
        return self.with_text(PATCHES, patch_lines.appended(self.texts.get(PATCHES), command, comment))

    def place(self, home: Home) -> Span | None:
        """Where a setting was made; None when it is not made."""
        if not home.service:
            entry = self.effective.main_cf.last().get(home.name)
            return entry.span if entry else None
        service = self.service(home.service)
        found = [each.span for each in service.overrides if each.name == home.name] if service else []
        return found[-1] if found else None

    def service(self, key: str) -> Service | None:
        """A service in force, by `name/type`."""
        return next((each for each in self.effective.master_cf.services if str(each) == key), None)

    def operators(self) -> set[str]:
        """The parameters that an override file decides."""
        places = {self.effective.folder.path(name) for name in OVERRIDES}
        return {entry.name for entry in self.effective.main_cf.entries if entry.span.file in places}

    def is_in(self, name: str, span: Span | None) -> bool:
        """Does the place lie in that override file?"""
        return span is not None and span.file == self.effective.folder.path(name)


def written(change: Change, state: Overrides) -> Overrides:
    """The overrides with the change made; the same ones when nothing is to be done. CannotWrite: not possible here."""
    match change:
        case SetField(service, field, column):
            return state.with_patch(patch_lines.of_field(service, field, column), f"The column {field} of {service}.")
        case Rename(name, _, "") if any(entry.name == name for entry in state.effective.dropped):
            return _in_main(state, change)
        case AddService(service, text):
            return state.with_patch(patch_lines.of_service(service, text),
                                    "A new service, which postfix-master.cf cannot make.")
        case DropEarlier(name, service):
            return _only_last(state, service, name)
    before = _in_force(state.effective)
    after = edits.written(change, before)
    old, new = dict(before.values()), dict(after.values())
    wanted = {home: new.get(home) for home in [*old, *(home for home in new if home not in old)]
              if old.get(home) != new.get(home)}
    if not state.effective.folder.environment.is_set("SSL_TYPE") and any(home.name in BY_SSL_TYPE for home in wanted):
        raise CannotWrite("without SSL_TYPE in the environment docker-mailserver has no certificate and switches TLS "
                          "off: set it there")
    if Home("", "mynetworks") in wanted and state.effective.folder.environment.is_set("PERMIT_DOCKER") and (
            "mynetworks" not in state.operators()):
        raise CannotWrite("PERMIT_DOCKER in the environment decides about mynetworks: set it to none "
                          "there, or to container")
    for home, value in wanted.items():
        state = _put(state, home, value, change)
    _arrived(state, wanted)
    return state


def _in_force(effective: Effective) -> Texts:
    """What is in force, as a main.cf and a master.cf."""
    main = "".join(f"{name} = {entry.value.text}".rstrip() + "\n" for name, entry in effective.main_cf.last().items())
    return Texts.of(main, "".join(f"{_line(service)}\n" for service in effective.master_cf.services))


def _line(service: Service) -> str:
    flags = [{True: "y", False: "n", None: "-"}[flag] for flag in (service.private, service.unprivileged,
                                                                     service.chroot)]
    limit = "-" if service.maxproc is None else str(service.maxproc)
    words = [f"{{ {word.text} }}" if re.search(r"\s", word.text) else word.text for word in service.args]
    return " ".join([service.name, service.type, *flags, str(service.wakeup), limit, service.command, *words])


def _arrived(state: Overrides, wanted: Mapping[Home, str | None]) -> None:
    now = dict(_in_force(state.effective).values())
    for home, value in wanted.items():
        if value is None and not any(state.is_in(name, state.place(home)) for name in OVERRIDES):
            continue  # without the operator's word the image's is in force
        have = now.get(home)
        variable = re.fullmatch(r"\$(\w+)", have or "") if home.service else None
        if variable is not None and have != value:
            have = now.get(Home("", variable[1]))
        if _items(have) != _items(value):
            raise CannotWrite(f"{home} would not get the value: something later in start-up decides it")


def _items(value: str | None) -> list[str] | None:
    """A value without regard to how its items are separated, and to separators that separate nothing."""
    return None if value is None else [word for word in re.split(r"[,\s]+", value) if word]


def _put(state: Overrides, home: Home, value: str | None, change: Change) -> Overrides:
    """Write one setting where it counts; `value` None: it is not to be set."""
    comment = change.comment if isinstance(change, SetValue | AddItems) else ""
    if home.service:
        if value is None:
            return _without_override(state, home)
        return _override(state, home, value, comment)
    span = state.place(home)
    if state.is_in(MAIN, span):
        return _in_main(state, _narrowed(change, home, value))
    if isinstance(change, Items) and span is not None:
        return state.with_patch(patch_lines.of_items(change, home.name), comment or _reason(change, home))
    if value is None:
        return state.with_patch(patch_lines.without_value(home.name), f"{home.name} is not to be set.")
    if state.is_in(PATCHES, span) or _set_late(state, home.name):
        return state.with_patch(patch_lines.of_value(home.name, value), comment or f"{home.name}, at last.")
    return _in_main(state, SetValue(home.name, value, comment=comment))


def _narrowed(change: Change, home: Home, value: str | None) -> Change:
    """The change as one of the setting in postfix-main.cf that holds what is to be changed."""
    if isinstance(change, Items):
        return replace(change, name=home.name, service="")
    if isinstance(change, Rename) and not change.service:
        return change
    if value is None:
        return RemoveSetting(home.name)
    return SetValue(home.name, value, comment=change.comment if isinstance(change, SetValue) else "")


def _reason(change: Items, home: Home) -> str:
    """The comment above a command that says none itself."""
    match change:
        case DropItems(items=items):
            return f"Without {', '.join(items)} in {home.name}; what else start-up puts there stays."
        case ReplaceItem(item=item, by=by):
            return f"{by} instead of {item} in {home.name}; what else start-up puts there stays."
        case AddItems(items=items):
            return f"{', '.join(items)} in {home.name}, beside what start-up puts there."


def _set_late(state: Overrides, name: str) -> bool:
    """Does start-up set it after postfix-main.cf was read?"""
    span = state.place(Home("", name))
    return span is not None and not state.effective.is_operators(span.file) and name not in state.effective.image


def _in_main(state: Overrides, change: Change) -> Overrides:
    texts = Texts.of(state.texts.get(MAIN, ""), main_file=MAIN)
    return state.with_text(MAIN, str(edits.written(change, texts).main))


def _override(state: Overrides, home: Home, value: str, comment: str) -> Overrides:
    """`-o name=value`: in postfix-master.cf when it can say it, with a $name of its own when the value has blanks."""
    service = state.service(home.service)
    by_patch = state.is_in(PATCHES, state.place(home)) or state.is_in(PATCHES, service.span if service else None)
    tight = ",".join(_items(value) or ()) if "," in value else value
    if len(_groups(tight)) != len(_groups(value)) or re.search(r"\s", tight):
        variable = re.sub(r"\W", "_", home.service.rpartition("/")[0]) + f"_{home.name}"
        if by_patch or not state.effective.release.since("14.0"):
            state = state.with_patch(patch_lines.of_value(variable, value),
                                     f"For {home.service}, whose options cannot have blanks.")
            return state.with_patch(patch_lines.of_override(home.service, home.name, f"${variable}"), comment)
        state = state.with_text(MASTER, _master(state, home, f"${variable}", comment))
        note = f"For {home.service}, see postfix-master.cf: a value there cannot have blanks."
        return _in_main(state, SetValue(variable, value, comment=note))
    if by_patch:
        return state.with_patch(patch_lines.of_override(home.service, home.name, tight), comment)
    return state.with_text(MASTER, _master(state, home, tight, comment))


def _groups(value: str) -> list[str]:
    """The items of a list as commas separate them."""
    return [" ".join(part.split()) for part in value.split(",") if part.strip()]


def _master(state: Overrides, home: Home, value: str, comment: str) -> str:
    """postfix-master.cf with that option: in the place of the line that makes it, or was to make it."""
    lines = list(physical_lines(state.texts.get(MASTER, "")))
    new = f"{home.service}/{home.name}={value}"
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    same = [line for line in state.effective.master_lines if line.name == home.name and (
        line.key == home.service or (line.ignored is Ignored.SERVICE and _twin(line.key) == home.service))]
    old = [line for line in same if line.ignored is None] or same
    if old:
        at = old[-1].span.line - 1
        lines[at] = new + (lines[at][len(lines[at].rstrip("\r\n")):] or end)
        return "".join(lines)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    notes = [f"# {each}".rstrip() + end for each in comment.splitlines()]
    if notes and lines and lines[-1].strip():
        notes.insert(0, end)
    return "".join([*lines, *notes, new + end])


def _twin(key: str) -> str:
    """The service as it was called before v13, or since then."""
    name, _, kind = key.partition("/")
    return f"{TWINS.get(name, name)}/{kind}"


def _without_override(state: Overrides, home: Home) -> Overrides:
    if not state.is_in(MASTER, state.place(home)):
        return state.with_patch(patch_lines.without_override(home.service, home.name),
                                f"{home.service} has no {home.name} of its own.")
    gone = {line.span.line for line in state.effective.master_lines
            if (line.key, line.name) == (home.service, home.name)}
    lines = physical_lines(state.texts[MASTER])
    return state.with_text(MASTER, "".join(line for at, line in enumerate(lines, 1) if at not in gone))


def _only_last(state: Overrides, service: str, name: str) -> Overrides:
    """Of several lines for one setting only the last stays."""
    if not service:
        return _in_main(state, DropEarlier(name))
    same = [line.span.line for line in state.effective.master_lines
            if line.ignored is None and (line.key, line.name) == (service, name)]
    lines = physical_lines(state.texts.get(MASTER, ""))
    return state.with_text(MASTER, "".join(line for at, line in enumerate(lines, 1) if at not in same[:-1]))


def consequences(before: Overrides, after: Overrides) -> Iterator[str]:
    """What is to be done next, and which lines of the configuration in the container differ then."""
    if before == after:
        return
    yield RECREATE
    old, new = dict(_in_force(before.effective).values()), dict(_in_force(after.effective).values())
    for home in [*old, *(home for home in new if home not in old)]:
        if old.get(home) != new.get(home):
            where = f"{home.service}/{home.name}" if home.service else home.name
            yield f"in the container: {where} = {_said(new.get(home))}; it was: {_said(old.get(home))}"
    services = [str(each) for each in before.effective.master_cf.services]
    yield from (f"in the container: a new service {each}" for each in after.effective.master_cf.services
                if str(each) not in services)


def _said(value: str | None) -> str:
    return "(not set)" if value is None else " ".join(value.split()) or "(empty)"
