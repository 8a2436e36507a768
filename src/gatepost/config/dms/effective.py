"""What does Postfix in the container run with? Image, start-up, the operator's overrides and patches, in that order.

Values that the operator wrote have places in the operator's files, the others in a text named after the release,
`docker-mailserver v13.1.0: main.cf`, which is what the image has once it has started. What could not be known is told,
never guessed in silence. This file must not know any rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gatepost.config import expand, source
from gatepost.config.check import HONOURED_PER_TRANSPORT, IGNORED_PER_TRANSPORT, TABLE_IN_MAIN_CF
from gatepost.config.dms import folder as folders
from gatepost.config.dms import master_lines, patches, startup
from gatepost.config.dms import release as releases
from gatepost.config.dms.environment import DEFAULTS, Environment
from gatepost.config.dms.folder import Folder
from gatepost.config.dms.master_lines import Ignored, MasterLine
from gatepost.config.dms.names import MAIN, MASTER, OVERRIDES, PATCHES
from gatepost.config.dms.places import at_place
from gatepost.config.dms.release import Release
from gatepost.config.dms.state import State
from gatepost.config.load import Configuration
from gatepost.config.located import Located
from gatepost.config.master import MasterCf
from gatepost.config.parameter import DECLARED, split_list
from gatepost.config.problem import Problem
from gatepost.config.source import Entry, MainCf
from gatepost.config.unsupported import UNSUPPORTED
from gatepost.span import ConfigError

CONTAINER_VOLUME = "/tmp/docker-mailserver/"


@dataclass(frozen=True)
class Effective:
    """A docker-mailserver folder, understood.

    `files`: name -> text of everything that places point into, the operator's first; `release_from`: how the release
    was found out, "" when the newest is assumed; `image`: main.cf as it is before the operator's overrides; `dropped`:
    entries of postfix-main.cf that docker-mailserver throws away; `overwritten`: entries of it whose value is replaced
    later, and by whom; `unknown`: what could not be known."""

    folder: Folder
    release: Release
    release_from: str
    main_cf: MainCf
    master_cf: MasterCf
    files: Mapping[str, str]
    image: Mapping[str, str]
    override: MainCf | None
    master_lines: tuple[MasterLine, ...]
    dropped: tuple[Entry, ...]
    overwritten: tuple[tuple[Entry, str], ...]
    unknown: tuple[Problem, ...]
    noted: tuple[Problem, ...] = ()  # those of `unknown` that are about the release

    def with_texts(self, texts: Mapping[str, str]) -> Effective:
        """The same folder with other override files, by file name."""
        gone = frozenset(self.folder.texts) - frozenset(texts)
        sources = {file: text for file, text in self.folder.sources.items()
                   if file not in {self.folder.path(name) for name in OVERRIDES}}
        sources = {self.folder.path(name): text for name, text in texts.items()} | sources
        folder = replace(self.folder, texts=dict(texts), files=(self.folder.files - gone) | frozenset(texts),
                         sources=sources)
        after = effective(folder, self.release)
        return replace(after, release_from=self.release_from, unknown=(*self.noted, *after.unknown), noted=self.noted)

    @property
    def configuration(self) -> Configuration:
        """The same for whoever runs it."""
        return Configuration(self.folder.volume, self.main_cf, self.master_cf)

    def host_path(self, path: str) -> str:
        """The file of the operator's that the container has at `path`; "" for what the image has there, or nobody."""
        if path.startswith(CONTAINER_VOLUME):
            return self.folder.path(path.removeprefix(CONTAINER_VOLUME))
        name = startup.COPIED.get(path, "")
        return self.folder.path(name) if name in self.folder.files else ""

    def is_operators(self, file: str) -> bool:
        """Is that file one the operator wrote, and not the image's text?"""
        return file in self.folder.sources


def read(named: str, wanted: str = "", env: str = "") -> Effective:
    """Read a folder. `wanted`: the release as --dms-release has it; `env`: an environment or compose file that counts
    instead of those found. ConfigError: a file cannot be read, is not in its syntax, or the release is not known."""
    return of_folder(folders.find(named, env), wanted)


def of_folder(found: Folder, wanted: str = "") -> Effective:
    """The same for a folder whose files have been read."""
    release, why, problems = _release(found, wanted)
    result = effective(found, release)
    return replace(result, release_from=why, unknown=(*problems, *result.unknown), noted=tuple(problems))


def _release(found: Folder, wanted: str) -> tuple[Release, str, list[Problem]]:
    if wanted:
        return releases.release(wanted), "--dms-release", []
    compose = found.compose
    if compose is not None and compose.tag:
        try:
            return releases.release(compose.tag), f"image {compose.image}", []
        except ConfigError as error:
            return releases.NEWEST, "", [Problem("warning", f"{error.message}; {releases.NEWEST} assumed",
                                                 compose.tag_span, compose.tag)]
    return releases.NEWEST, "", []


def effective(found: Folder, release: Release) -> Effective:
    """What a folder makes of a release. ConfigError: postfix-main.cf is not in main.cf's syntax."""
    image = startup.replay(release, found)
    names = {part: f"docker-mailserver {release}: {part}.cf" for part in ("main", "master")}
    late = startup.late(image)
    early = {} if release.since("12.1") else late  # SRS came before the overrides
    late = late if release.since("12.1") else {}
    main_text = _rendered(image.main | early, late)
    base = source.parse(names["main"], main_text)
    base = replace(base, entries=tuple(_caused(entry, found.environment) for entry in base.entries))
    master_text = "".join(f"{line}\n" for line in image.master)
    logical, _ = source.logical_lines(names["master"], source.physical_lines(master_text))
    count = len(base.entries) - len(late)
    state = State(base.entries[:count], logical)
    before = {entry.name: entry.value.text for entry in base.entries[:count]}
    work = _Overrides(found, release, state)
    work.apply()
    work.late(base.entries[count:], image)
    work.patches()
    entries = tuple(work.entries())
    text = found.sources
    files = {found.path(name): found.texts[name] for name in OVERRIDES if name in found.texts}
    files |= {name: text[name] for name in text if name not in files}
    files |= {names["main"]: main_text, names["master"]: master_text}
    problems = work.override.problems if work.override else ()
    master_cf = replace(state.master_cf(found.path(MASTER)), lines=source.physical_lines(found.texts.get(MASTER, "")))
    main_file = found.path(MAIN)  # where what is absent belongs
    main_cf = MainCf(main_file, source.physical_lines(found.texts.get(MAIN, "")), entries, problems)
    return Effective(found, release, "", main_cf, master_cf, files, before,
                     work.override, tuple(work.lines), tuple(work.dropped), tuple(work.overwritten),
                     (*found.environment.unknown, *image.assumed, *work.unknown))


def _caused(entry: Entry, env: Environment) -> Entry:
    """An entry whose value is what a variable says has the variable's place; of mynetworks the last word."""
    variable = startup.SAYS.get(entry.name, "")
    span = env.span(variable)
    if span is None or not entry.value.text or env[variable] == DEFAULTS.get(variable):
        return entry  # as it would be without the operator's word
    if entry.name != "mynetworks":
        return replace(entry, value=at_place(entry.value.text, span), span=span) if (
            entry.value.text == env[variable]) else entry
    at = entry.value.text.rfind(" ") + 1
    value = Located.join([entry.value.slice(0, at), at_place(entry.value.text[at:], span)])
    return replace(entry, value=value)


def _rendered(main: Mapping[str, str], late: Mapping[str, str]) -> str:
    return "".join(f"{name} = {' '.join(value.splitlines())}".rstrip() + "\n"
                   for values in (main, late) for name, value in values.items())


class _Overrides:
    """The operator's files, applied to a state."""

    def __init__(self, found: Folder, release: Release, state: State) -> None:
        self.found = found
        self.release = release
        self.state = state
        self.override: MainCf | None = None
        self.lines: list[MasterLine] = []
        self.dropped: list[Entry] = []
        self.overwritten: list[tuple[Entry, str]] = []
        self.unknown: list[Problem] = []

    def apply(self) -> None:
        """postfix-master.cf and postfix-main.cf; before v14 the other way round."""
        self.override = self._main_text()
        if self.release.since("14.0"):
            self._master()
        self._main()
        if not self.release.since("14.0"):
            self._master()

    def _main_text(self) -> MainCf | None:
        if MAIN not in self.found.texts:
            return None
        text = self.found.texts[MAIN]
        read = source.parse(self.found.path(MAIN), text)
        for problem in read.problems:
            if problem.severity == "error":
                raise problem.as_error()
        return read

    def _main(self) -> None:
        if self.override is None:
            return
        for entry in self.override.entries:
            self.state.main.pop(entry.name, None)  # in the order of what was said last
            self.state.main[entry.name] = entry
        known = _Known(self.state)
        for entry in self.override.last().values():
            if not known.has(entry.name):
                self.dropped.append(entry)
                self.state.unset(entry.name)

    def _master(self) -> None:
        if MASTER not in self.found.texts:
            return
        for line in master_lines.parse(self.found.path(MASTER), self.found.texts[MASTER], self.release):
            if line.value is not None and line.ignored is None and not self.state.override(
                    line.service, line.type, line.name, line.value, line.name_span):
                line = replace(line, ignored=Ignored.SERVICE, ignored_span=line.span)
            self.lines.append(line)

    def late(self, entries: tuple[Entry, ...], image: startup.Image) -> None:
        """What start-up sets behind the overrides."""
        mine = self.override.last() if self.override else {}
        for entry in entries:
            if entry.name in mine:
                self.overwritten.append((mine[entry.name], "ENABLE_SRS"))
            self.state.main[entry.name] = entry
        name, table = startup.MTA_STS
        if image.env.on("ENABLE_MTA_STS") and self.release.since("13.3"):
            written = self.state.written(name)
            old = self.state.main.get(name)
            value = Located.join([written, Located(" " + table)]) if written.text else Located(table)
            self.state.main[name] = Entry(name, value, old.span, value) if old else source.parse(
                f"docker-mailserver {self.release}: main.cf", f"{name} = {table}\n").entries[0]

    def patches(self) -> None:
        """user-patches.sh, whose settings replace the operator's own, too."""
        if PATCHES not in self.found.texts:
            return
        file = self.found.path(PATCHES)
        env = self.found.environment
        variables = {name: variable.value for name, variable in env.variables.items()}
        known = {name: env[name] for name in DEFAULTS} | variables | {
            "HOSTNAME": self.state.written("myhostname").text, "DOMAINNAME": self.state.written("mydomain").text}
        self.unknown += patches.replay(self.state, file, self.found.texts[PATCHES], known)
        mine = self.override.last() if self.override else {}
        for entry in mine.values():
            now = self.state.main.get(entry.name)
            if now is not None and now.span.file == file and now.value.text != entry.value.text:
                self.overwritten.append((entry, PATCHES))

    def entries(self) -> Iterator[Entry]:
        """The entries of main.cf, with earlier ones of the operator's for a name that the operator's file decides."""
        last = self.override.last() if self.override else {}
        repeated: dict[str, list[Entry]] = {}
        for entry in self.override.entries if self.override else ():
            if last[entry.name] is not entry:
                repeated.setdefault(entry.name, []).append(entry)
        for entry in self.state.main.values():
            if last.get(entry.name) is entry:
                yield from repeated.get(entry.name, ())
            yield entry


class _Known:
    """Which names does `postconf -n` print? Postfix's own, those that something refers to, those of its services."""

    def __init__(self, state: State) -> None:
        values = [entry.value.text for entry in state.main.values()]
        values += [option.text for service in state.services.values() for option in service.options]
        self.referred = {name for value in values for name in expand.names(value)}
        classes = state.written("smtpd_restriction_classes").text
        self.referred |= {word for _, word in split_list(classes)}
        self.tables = tuple(f"{table}_" for value in values for table in TABLE_IN_MAIN_CF.findall(value))
        rest = "|".join(sorted({*IGNORED_PER_TRANSPORT, *HONOURED_PER_TRANSPORT}))
        services = "|".join(re.escape(name) for name, _ in state.services)
        self.transport = re.compile(rf"(?:{services})_(?:{rest})")

    def has(self, name: str) -> bool:
        """Does that name survive?"""
        return (name in DECLARED or name in UNSUPPORTED or name in self.referred or bool(self.transport.fullmatch(name))
                or bool(self.tables and name.startswith(self.tables)))
