"""Every rule there is: the visible list. What is not imported here does not exist."""

from gatepost.audit.rules import allowing, lists, pipelining, syntax, trust

FILES = (syntax, lists, pipelining, trust, allowing)
