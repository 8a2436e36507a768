"""Which network does an address belong to? `cidr:` tables: `network[/len] result`, first match.

cidr_table(5). Host bits must be zero; a rule that does not read is skipped with a warning; `!pattern` matches what lies
outside the network within the same address family; keys that are no addresses match nothing. IPv4 patterns never match
IPv6 keys, IPv4-mapped ones included. This file must not know where the text comes from.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from gatepost.config.located import BLANKS
from gatepost.lookup.tables.files import Find
from gatepost.lookup.tables.rules import BadRule, EndIf, If, Rule, Statement, open_rules, read_program
from gatepost.lookup.tables.source import LogicalLine
from gatepost.lookup.tables.table import Opener, Opening, OpenTable

Address = tuple[int, int]
"""(bits of the family: 32 or 128, the address as a number)"""

Inside = Callable[[Address], bool]


def read_address(text: str) -> Address | None:
    """A textual address without brackets; None when it is none."""
    try:
        if ":" in text:
            return 128, int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
        return 32, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except (OSError, UnicodeError, ValueError):
        return None


def read_network(pattern: str) -> Inside:
    """`[!] network[/len]`, brackets allowed around the network or the whole. BadRule when it does not read."""
    text = pattern
    negated = False
    while text.startswith("!"):
        negated = not negated
        text = text[1:].lstrip(BLANKS)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    base, slash, length = text.partition("/")
    if base.startswith("[") and base.endswith("]"):
        base = base[1:-1]
    address = read_address(base)
    if address is None:
        raise BadRule(f'bad address pattern: "{text}": skipping this rule')
    family, network = address
    if slash and not (length.isascii() and length.isdigit() and int(length) <= family):
        raise BadRule(f'bad mask length in "{text}": skipping this rule')
    shift = family - (int(length) if slash else family)
    if network & ((1 << shift) - 1):
        fixed = _show((family, network >> shift << shift))
        raise BadRule(f'non-null host address bits in "{text}", perhaps you should use "{fixed}/{length}" instead: '
                      "skipping this rule")
    prefix = network >> shift

    def inside(key: Address) -> bool:
        return key[0] == family and (key[1] >> shift == prefix) is not negated

    return inside


def _show(address: Address) -> str:
    family, number = address
    return socket.inet_ntop(socket.AF_INET if family == 32 else socket.AF_INET6, number.to_bytes(family // 8, "big"))


def read_statement(line: str, warn: Callable[[str], None]) -> Statement[Address] | None:
    """One line of a cidr table."""
    word, rest = _split(line)
    if word.lower() == "endif":
        if rest:
            raise BadRule("garbage after ENDIF: skipping this rule")
        return EndIf()
    if word.lower() == "if":
        if not rest:
            raise BadRule("no address pattern: skipping this rule")
        return If(read_network(rest))
    pattern, result = word, rest
    while not pattern.strip("!"):
        more, result = _split(result)
        if not more:
            raise BadRule("no address pattern: skipping this rule")
        pattern += more
    inside = read_network(pattern)
    if not result:
        raise BadRule("no lookup result: skipping this rule")
    return Rule(lambda key: result if inside(key) else None)


def _split(line: str) -> tuple[str, str]:
    parts = line.split(None, 1)
    return (parts[0], parts[1]) if len(parts) == 2 else (line.strip(BLANKS), "")


def read_rules(lines: Iterable[LogicalLine], warn: Callable[[int, str], None]) -> Find:
    """The lookup function of a cidr table."""
    program = read_program(lines, read_statement, warn, "ENDIF without IF: skipping this rule")

    def find(key: str) -> str | None:
        address = read_address(key)
        return None if address is None else program.run(address)

    return find


def open_cidr(name: str, opening: Opening) -> OpenTable:
    """`cidr:/file` or `cidr:{{rule}, {rule}}`."""
    return open_rules("cidr", name, opening, read_rules)


OPENERS: dict[str, Opener] = {"cidr": open_cidr}
