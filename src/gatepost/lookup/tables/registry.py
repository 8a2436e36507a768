"""Which opener belongs to a table type? The dispatch table of `type:name`, and the function that uses it.

Contract: `open_table` never raises; a table that cannot be opened comes back with a `problem` and fails its lookups.
"""

from __future__ import annotations

from gatepost.lookup.tables import cidr, combined, indexed, inline, keyvalue, ldap, network, regexp, sql, system
from gatepost.lookup.tables.table import BrokenTable, Opener, Opening, OpenTable
from gatepost.span import ConfigError

OPENERS: dict[str, Opener] = {
    **inline.OPENERS,
    **indexed.OPENERS,
    **cidr.OPENERS,
    **regexp.OPENERS,
    **combined.OPENERS,
    **system.OPENERS,
    **network.OPENERS,
    **sql.OPENERS,
    **ldap.OPENERS,
    **keyvalue.OPENERS,
}


def open_table(spec: str, opening: Opening) -> OpenTable:
    """Open `type:name`."""
    kind, colon, name = spec.partition(":")
    try:
        if not colon or not name:
            raise ConfigError(f'open dictionary: expecting "type:name" form instead of "{spec}"', text=spec)
        if kind not in OPENERS:
            raise ConfigError(f"unsupported dictionary type: {kind}", text=spec)
        return OPENERS[kind](name, opening)
    except ConfigError as problem:
        opening.error(problem.message)
        return BrokenTable(spec, problem)
