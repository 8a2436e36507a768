"""Every rule there is: the visible list, one module a line. What is not imported here does not exist."""

from gatepost.audit.rules import (
    allowing,
    authentication,
    claims,
    dnslists,
    expert,
    expert_login,
    expert_networks,
    expert_services,
    expert_tables,
    expert_values,
    lists,
    operations,
    pipelining,
    pipelining_lists,
    pipelining_parameter,
    relaying,
    reserve,
    reserve_services,
    screening,
    smuggling,
    syntax,
    tls,
    trust,
)

FILES = (
    syntax, pipelining, pipelining_lists, pipelining_parameter, smuggling, trust, lists, relaying, screening,
    dnslists, tls, authentication, claims, operations, reserve, reserve_services, expert, expert_services,
    expert_values, expert_tables, expert_login, expert_networks, allowing,
)
"""In the order of the reference."""
