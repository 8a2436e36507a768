"""Every rule there is: the visible list, one module a line. What is not imported here does not exist."""

from gatepost.audit.rules import (
    allowing,
    dnslists,
    lists,
    pipelining,
    pipelining_lists,
    pipelining_parameter,
    relaying,
    screening,
    smuggling,
    syntax,
    trust,
)

FILES = (
    syntax, pipelining, pipelining_lists, pipelining_parameter, smuggling, trust, lists, relaying, screening,
    dnslists, allowing,
)
"""In the order of the reference."""
