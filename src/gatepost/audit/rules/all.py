"""Every rule there is: the visible list, one module a line. What is not imported here does not exist."""

from gatepost.audit.rules import (
    allowing,
    lists,
    pipelining,
    pipelining_lists,
    pipelining_parameter,
    smuggling,
    syntax,
    trust,
)

FILES = (
    syntax,
    pipelining,
    pipelining_lists,
    pipelining_parameter,
    smuggling,
    trust,
    lists,
    allowing,
)
"""In the order of the reference."""
