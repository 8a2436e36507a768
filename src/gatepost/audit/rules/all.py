"""Every rule there is: the visible list. What is not imported here does not exist."""

from gatepost.audit.rules import allowing, pipelining, syntax, trust

FILES = (syntax, pipelining, trust, allowing)
