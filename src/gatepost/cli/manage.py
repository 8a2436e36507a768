"""The queue manager as a program: what `gatepost serve` starts when its first queue manager has died. Not for people.

    python -m gatepost.cli.manage DESCRIPTORS DIRECTORY STATE LISTEN     "" where `serve` was given none
"""

from __future__ import annotations

import sys
from pathlib import Path

from gatepost import compiled


def main(words: list[str]) -> None:
    """The program; `words` as above. ConfigError ends it through the channel."""
    compiled.use()
    from gatepost.cli.serving import configuration, open_log
    from gatepost.server.ends import Ends
    from gatepost.server.manage import manage

    descriptors, directory, state, listen = words
    where = Path(directory) if directory else None, Path(state) if state else None
    log = open_log(configuration(*where, listen).main)
    ends = Ends.of([int(one) for one in descriptors.split(",")])
    manage(ends, lambda: configuration(*where, listen), log, clean=False)


if __name__ == "__main__":
    main(sys.argv[1:])
