"""Dialogues played against a server, scored. Also a program: `python -m tests.playing [options] [PATH...]`.

    --server gatepost|postfix    which (default gatepost)
    --mode postfix|gatepost      gatepost_compatibility (default postfix)
    --logs                       compare log lines, too
    -v                           show differing log lines
    -j N                         so many at a time
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gatepost.dialogue.compare import Score, compare, compare_lines, recorded_lines, session_lines
from gatepost.dialogue.format import Dialogue, Expect
from gatepost.dialogue.player import Player
from tests.lab import DIALOGUES, load, postfix, settled_log
from tests.serving import NotServing, Warm, gatepost

Serve = Callable[[Dialogue], contextlib.AbstractContextManager[tuple[int, Path]]]
AT_ONCE = 10  # dialogues that run at the same time: they mostly wait


@dataclass(slots=True)
class Played:
    """What came of one dialogue. `name` is GROUP/NAME. `failure`: it could not be played at all."""

    name: str
    score: Score
    failure: str = ""
    log: tuple[int, int] = (0, 0)  # equal lines, of how many
    log_listing: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not self.failure and self.score.same

    def __str__(self) -> str:
        score = self.score
        counts = f"code {score.code}, enhanced {score.enhanced}, text {score.text} of {score.replies}"
        parts = [f"{self.name}: {counts}", self.failure, *map(str, score.differences)]
        return "\n".join(part for part in parts if part)


def never_answers(dialogue: Dialogue) -> bool:
    """The recorded server said nothing at all: it did not run. Not to start is the same for a client."""
    said = {line for step in dialogue.steps if isinstance(step, Expect) for line in step.lines}
    return said <= {"<nothing>", "<open>"}


def play(path: Path, serve: Serve, *, logs: bool = False) -> Played:
    """Play one recorded dialogue against the server that `serve` starts."""
    dialogue = load(path)
    name = f"{path.parent.name}/{path.stem}"
    try:
        with serve(dialogue) as (port, root):
            player = Player("127.0.0.1", port, dialogue)
            try:
                player.play()
                failure = ""
            except OSError as error:
                failure = f"the client's connection failed: {error}"
            played = Played(name, compare(dialogue, player.observed), failure)
            if logs:
                _compare_logs(played, path, session_lines(settled_log(root), str(root)))
            return played
    except NotServing as ended:
        if never_answers(dialogue):
            played = Played(name, compare(dialogue, dialogue.steps))
            if logs:
                _compare_logs(played, path, ended.log)
            return played
        return Played(name, compare(dialogue, []), f"the server did not start: {ended}")


def _compare_logs(played: Played, path: Path, heard: Sequence[str]) -> None:
    recorded = recorded_lines(path.with_suffix(".log").read_text(encoding="utf-8"))
    equal, total, played.log_listing = compare_lines(recorded, list(heard))
    played.log = (equal, total)


def play_all(paths: Sequence[Path], serve: Serve, *, logs: bool = False, at_once: int = AT_ONCE,
             meant: Callable[[str], bool] = lambda _: False) -> Iterator[Played]:
    """Many at a time, in order. What differs is played again alone: on a busy machine a pause may have been cut short,
    and only what differs both times is a difference. `meant`: of which names a difference needs no second look."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        first = list(pool.map(lambda path: play(path, serve, logs=logs), paths))
    for path, played in zip(paths, first, strict=True):
        known = played.same or at_once == 1 or meant(played.name)
        yield played if known else play(path, serve, logs=logs)


def gatepost_in(warm: Warm, mode: str) -> Serve:
    """Gatepost with gatepost_compatibility = `mode`."""
    return lambda dialogue: gatepost(warm, dialogue, [f"gatepost_compatibility = {mode}"])


def recordings(paths: Sequence[Path]) -> list[Path]:
    """The .gold files that are meant by files and folders."""
    found = [sorted(path.rglob("*.gold")) if path.is_dir() else [path.with_suffix(".gold")] for path in paths]
    return [path.resolve() for group in found for path in group]


def _report(results: Sequence[Played], show_logs: bool) -> None:
    total: Counter[str] = Counter()
    for played in results:
        if not played.same:
            print(played)
        if show_logs and played.log_listing:
            print(f"{played.name}: log", *played.log_listing, sep="\n    ")
        score = played.score
        total.update(replies=score.replies, code=score.code, enhanced=score.enhanced, text=score.text)
        total.update(cases=1, same=played.same, lines=played.log[1], equal=played.log[0])
    print(", ".join(f"{name} {count}" for name, count in total.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[DIALOGUES])
    parser.add_argument("--server", choices=("gatepost", "postfix"), default="gatepost")
    parser.add_argument("--mode", choices=("postfix", "gatepost"), default="postfix")
    parser.add_argument("--logs", action="store_true")
    parser.add_argument("-v", dest="show_logs", action="store_true")
    parser.add_argument("-j", dest="at_once", type=int, default=AT_ONCE)
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        serve: Serve = postfix
        if chosen.server == "gatepost":
            serve = gatepost_in(stack.enter_context(Warm()), chosen.mode)
        results = list(play_all(recordings(chosen.paths), serve, logs=chosen.logs, at_once=chosen.at_once))
    _report(results, chosen.show_logs)
    return 0 if all(played.score.codes_same for played in results) else 1


if __name__ == "__main__":
    sys.exit(main())
