"""Print docs/turn-catalogue.md from what is declared: the patterns that may be tolerated, and the clients known to talk
out of turn.

    python tools/turn_catalogue.py > docs/turn-catalogue.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import gatepost.config.parameters  # noqa: F401  # declares
from gatepost.config.parameter import DECLARED
from gatepost.observe.lines import escaped
from gatepost.smtp.known_clients import KNOWN_CLIENTS, KnownClient
from gatepost.smtp.tolerance import PATTERNS, SHOWN

INTRODUCTION = f"""\
# Clients that talk out of turn

Printed by `tools/turn_catalogue.py` from `smtp/tolerance.py` and `smtp/known_clients.py`. What out of turn means, and
how it is known, stands in [turns.md](turns.md).

Not everybody who talks out of turn sends spam. `gatepost_turn_tolerance` names patterns of harmless probes: who talks
like that is logged and not punished.

    talk out of turn tolerated after EHLO from unknown[192.0.2.9]: hello-quit (buffered): QUIT\\r\\n

The grade depends on the bytes that are said since the first one out of turn, and on nothing else: not on how they
were cut, nor on whether those behind the first were early too. As long as they are the beginning of a pattern, the
offence is in doubt; it counts from the first byte that fits none, before the command with that byte is obeyed; and
what is not a whole pattern when the session ends counts, too. No pattern holds a command but HELO, EHLO and QUIT, nor
more than {SHOWN} bytes. So nothing is won by beginning like a probe.

A postscreen service decides half a second after the last early byte, or when the greeting is due: what is not a whole
pattern by then is a PREGREET, as ever. A probe that was tolerated there has neither failed the greeting's trial nor
passed it, so that it is made again at the next connection. With `gatepost_screen_promotion = defer` such a client hears
450 as long as trials after the greeting are due, as every new client does, and is served when it comes again.

With `smtpd_delay_reject = no` lists may be asked before the doubt is over: `reject_unauth_pipelining` in
`smtpd_client_restrictions` then does not see an early hello. It belongs into `smtpd_data_restrictions`.

`gatepost_turn_exempt_clients` names clients by address: whatever they say, it is logged as above (`exempt client`)
and not punished. With `gatepost_compatibility = postfix` nothing is tolerated unless it is set.
"""


def catalogue() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, "## The patterns\n", *_patterns(), "## The clients\n", *_clients()])


def _patterns() -> Iterator[str]:
    yield "| pattern | said after | what it is |\n| --- | --- | --- |"
    for pattern in PATTERNS.values():
        text = " ".join(inspect.cleandoc(pattern.doc).split())
        yield f"| `{pattern.name}` | {', '.join(sorted(pattern.after))} | {text} |"
    yield ""


def _clients() -> Iterator[str]:
    yield from (_client(client) for client in KNOWN_CLIENTS)


def _client(client: KnownClient) -> str:
    default = DECLARED["gatepost_turn_tolerance"].default
    named = "tolerated by default" if client.pattern in default else "tolerated where that is asked for"
    recognised = f"by `{client.pattern}`, {named}" if client.pattern else "not tolerated"
    lines = [f"### {client.name}\n"]
    if client.after:
        lines.append(f"- sends, after {client.after}: `{escaped(client.sends)}`")
    lines += [f"- recognised: {recognised if client.after else 'never early'}",
              f"- source: {client.source}; known since {client.since}", "", client.told, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(catalogue(), end="")
