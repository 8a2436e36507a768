"""Is what a server said what was recorded? Reply by reply, and log line by log line.

A reply is scored three times: code, enhanced status code (RFC 3463), whole text. Log lines are compared after what
changes from run to run (queue ids, ports, process ids, directories, times) has been replaced by a name. Pure functions
on text and steps. This file must not know servers or which differences are meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gatepost.dialogue.format import ENDS, Dialogue, Expect, Step, replies, step_lines, unfinished

_ENHANCED = re.compile(r"\d{3}[ -](\d\.\d{1,3}\.\d{1,3})(?= |$)")
_SHOWN = 150  # characters of what the client sent before a difference

Reply = list[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One reply that is not what was recorded. `kind`: code, enhanced code or text; None: there was no reply."""

    kind: str
    after: str
    recorded: Reply | None
    heard: Reply | None

    def __str__(self) -> str:
        lines = [f"after {self.after}", f"  {self.kind} differs"]
        lines += [f"    - {line}" for line in self.recorded or ["(nothing)"]]
        lines += [f"    + {line}" for line in self.heard or ["(nothing)"]]
        return "\n".join(lines)


@dataclass(slots=True)
class Score:
    """How many replies there were, and how many were equal in which respect."""

    replies: int = 0
    code: int = 0
    enhanced: int = 0
    text: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return self.text == self.replies > 0

    @property
    def codes_same(self) -> bool:
        """Codes and enhanced codes."""
        return self.enhanced == self.replies > 0


def code(reply: Reply) -> str:
    """The reply's code, with a hyphen when it was never finished; how a connection ended counts as one code."""
    if reply[0] in ENDS:
        return "<end>"
    if reply[0].startswith("<"):
        return reply[0]
    return reply[0][:3] + ("-" if unfinished(reply[-1]) else "")


def enhanced(reply: Reply) -> str:
    """The enhanced status code of the reply's first line, "" without one."""
    match = _ENHANCED.match(reply[0])
    return match[1] if match else ""


def compare(dialogue: Dialogue, observed: Sequence[Step]) -> Score:
    """The dialogue's recorded replies against the steps that a player observed."""
    score, after = Score(), "(connect)"
    for number, step in enumerate(dialogue.steps):
        if not isinstance(step, Expect):
            after = " | ".join(step_lines(step))
            after = after if len(after) <= _SHOWN else after[:_SHOWN] + "..."
            continue
        seen = observed[number] if number < len(observed) else None
        heard = replies(seen.lines) if isinstance(seen, Expect) else []
        for pair in _aligned(replies(step.lines), heard):
            _count(score, after, *pair)
    return score


def _count(score: Score, after: str, recorded: Reply | None, heard: Reply | None) -> None:
    there = recorded is not None and heard is not None
    same_code = recorded is not None and heard is not None and code(recorded) == code(heard)
    same_enhanced = same_code and recorded is not None and heard is not None and enhanced(recorded) == enhanced(heard)
    same_text = there and recorded == heard
    score.replies += 1
    score.code += same_code
    score.enhanced += same_enhanced
    score.text += same_text
    if not (same_code and same_enhanced and same_text):
        kind = "code" if not same_code else "enhanced code" if not same_enhanced else "text"
        score.differences.append(Difference(kind, after, recorded, heard))


def _aligned(recorded: list[Reply], heard: list[Reply]) -> Iterator[tuple[Reply | None, Reply | None]]:
    """Pairs of replies. When the numbers differ, equal codes find each other: one missing reply is one difference."""
    if len(recorded) == len(heard):
        yield from zip(recorded, heard, strict=True)
        return
    matcher = difflib.SequenceMatcher(None, [*map(code, recorded)], [*map(code, heard)], autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for k in range(max(i2 - i1, j2 - j1)):
            yield (recorded[i1 + k] if i1 + k < i2 else None, heard[j1 + k] if j1 + k < j2 else None)


# Logs

_LINE = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (\S+?)\[(\d+)\]: (.*)")
_QUEUE_ID = re.compile(r"\b[0-9A-F]{9,14}(?=:|@|\b)")
_SESSION = ("smtpd", "postscreen", "tlsproxy", "dnsblog")
_ELSEWHERE = "postfix/cleanup"  # whose lines the recordings keep apart: a process of its own, whoever received
_TROUBLE = ("master", "trivial-rewrite", "proxymap", "tlsmgr")
_NOISE = ("file system clock is", "resetting file time", " full cleanup: retained=")
_LIKE_QUEUE_IDS = ((re.compile(r"<\d{14}\.(?=[0-9A-F]+@)"), "<DATETIME."),
                   (re.compile(r"mail queue: \d+ bytes"), "mail queue: N bytes"))  # fmt: skip
_CHANGING = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b127\.0\.0\.1:\d{4,5}\b", "127.0.0.1:PORT"),
        (r"(\[\d+\.\d+\.\d+\.\d+\]):\d{4,5}\b", r"\1:PORT"),
        (r"(\[\d+\.\d+\.\d+\.\d+\])\d{4,5}: disc", r"\1PORT: disc"),
        (r"\bafter \d+(\.\d+)? from ", "after T from "),
        (r"\bafter \d+(\.\d+)? in tests", "after T in tests"),
        (r"HANGUP after \d+(\.\d+)? ", "HANGUP after T "),
        (r"\bprocess id \d+", "process id PID"),
        (r"\bpid \d+", "pid PID"),
    )
]


def session_lines(log: str, root: str) -> list[str]:
    """The lines of a maillog that tell of sessions, as `tag: text`, with names for what changes.

    `root` is the directory in which configuration (root/conf), queue and log lie.
    """
    names: dict[str, str] = {}
    out = []
    for line in log.splitlines():
        match = _LINE.match(line)
        if not match or any(noise in match[3] for noise in _NOISE):
            continue
        tag, text = match[1], match[3]
        daemon = tag.rpartition("/")[2]
        trouble = daemon in _TROUBLE and re.match(r"warning|fatal|error|panic", text)
        if daemon in _SESSION or trouble or (daemon == "cleanup" and tag != _ELSEWHERE):
            out.append(f"{tag}: {_named(text, root, names)}")
    return out


def _named(text: str, root: str, names: dict[str, str]) -> str:
    text = text.replace(root + "/conf", "$config_directory").replace(root, "$ROOT")
    for pattern, replacement in _LIKE_QUEUE_IDS:
        text = pattern.sub(replacement, text)
    text = _QUEUE_ID.sub(lambda found: names.setdefault(found[0], f"QID{len(names) + 1}"), text)
    for pattern, replacement in _CHANGING:
        text = pattern.sub(replacement, text)
    return text


def recorded_lines(log: str) -> list[str]:
    """The session lines of a recorded .log file."""
    return [x for x in log.splitlines() if x.startswith("postfix/") and not x.startswith(f"{_ELSEWHERE}:")]


def compare_lines(recorded: Sequence[str], heard: Sequence[str]) -> tuple[int, int, list[str]]:
    """How many lines are equal, out of how many, and the others as a difference listing."""
    matcher = difflib.SequenceMatcher(None, recorded, heard, autojunk=False)
    equal = sum(block.size for block in matcher.get_matching_blocks())
    listing = [*difflib.unified_diff(recorded, heard, "recorded", "heard", n=0, lineterm="")]
    return equal, max(len(recorded), len(heard)), listing
