"""What is the canonical form of a mail address? Rewriting as trivial-rewrite does it in the local context.

Postfix trivial-rewrite(8), reference section 1.10. Addresses are in internal (unquoted) form, "" is the null sender;
the last `@` divides them. A source route in front is taken off where the address is read from the client, not here:
behind that, an `@` further left was quoted. Pure text: this file must not ask tables nor know address classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.patterns import address_number
from gatepost.smtp.grammar import external, valid_hostname
from gatepost.span import ConfigError


@dataclass(frozen=True, slots=True)
class Rules:
    """The parameters that say how addresses are read, at hand."""

    myorigin: str
    mydomain: str
    myhostname: str
    empty_recipient: str  # what an empty local part stands for
    swap_bangpath: bool
    percent_hack: bool
    append_at_myorigin: bool
    append_dot_mydomain: bool
    dequote: bool
    null_domain: bool
    numeric_domain: bool
    utf8: bool

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Read them once. Debian's `myorigin = /etc/mailname` names a file whose first line is the value."""
        origin = settings[p.MYORIGIN]
        if origin.startswith("/"):
            try:
                origin = Path(origin).read_text(encoding="ascii").split("\n", 1)[0].strip()
            except (OSError, UnicodeError) as problem:
                raise ConfigError(f"cannot read $myorigin file: {problem}", settings.span(p.MYORIGIN), origin) from None
        return cls(myorigin=origin, mydomain=settings[p.MYDOMAIN], myhostname=settings[p.MYHOSTNAME],
                   empty_recipient=settings[p.EMPTY_ADDRESS_RECIPIENT], swap_bangpath=settings[p.SWAP_BANGPATH],
                   percent_hack=settings[p.ALLOW_PERCENT_HACK], append_at_myorigin=settings[p.APPEND_AT_MYORIGIN],
                   append_dot_mydomain=settings[p.APPEND_DOT_MYDOMAIN], dequote=settings[p.RESOLVE_DEQUOTED_ADDRESS],
                   null_domain=settings[p.RESOLVE_NULL_DOMAIN], numeric_domain=settings[p.RESOLVE_NUMERIC_DOMAIN],
                   utf8=settings[p.SMTPUTF8_ENABLE])

    def rewritten(self, address: str) -> str:
        """The canonical form: `!` or `%` resolved or `@$myorigin` appended, `.$mydomain` appended, one dot dropped."""
        if address in ("", "@"):
            return address
        local, domain = parts(address)
        if domain is None:
            local, domain = self._without_at(local)
        return local if domain is None else f"{local}@{self.completed(domain)}"

    def _without_at(self, local: str) -> tuple[str, str | None]:
        if is_dot_string(local):
            if self.swap_bangpath and "!" in local:
                site, _, user = local.partition("!")
                return user, site
            if self.percent_hack and "%" in local:
                user, _, site = local.rpartition("%")
                return user, site
        return local, self.myorigin if self.append_at_myorigin and self.myorigin else None

    def completed(self, domain: str) -> str:
        """`.$mydomain` for a domain without a dot; without one trailing dot."""
        if self.append_dot_mydomain and domain and "." not in domain and not domain.startswith("["):
            domain = f"{domain}.{self.mydomain}"
        return without_last_dot(domain)

    def reopened(self, local: str) -> tuple[str, str] | None:
        """What the local part of an address at a local domain means when it holds a routing operator itself."""
        if is_dot_string(local):
            if not ((self.swap_bangpath and "!" in local) or (self.percent_hack and "%" in local)):
                return None
            user, site = self._without_at(local)
            return user, self.completed(site or "")
        if not self.dequote:
            return None
        if "@" in local:
            user, _, site = local.rpartition("@")
        elif self.percent_hack and "%" in local:
            user, _, site = local.rpartition("%")
        elif self.swap_bangpath and "!" in local:
            site, _, user = local.partition("!")
        else:
            return None
        return user, self.completed(site)

    def checked_domain(self, domain: str) -> str | None:
        """The domain as it is used; None when no mail can go there (RFC 5321 4.1.2, 4.1.3)."""
        if domain.startswith("["):
            return domain if literal_address(domain) else None
        if address_number(domain)[0]:
            return f"[{domain}]" if self.numeric_domain else None
        if not domain.isascii() and not (self.utf8 and _is_utf8(domain)):
            return None
        return domain if valid_hostname(domain) else None


def rewrite(address: str, settings: Settings) -> str:
    """The canonical form of an address under these settings. Who rewrites often keeps `Rules.of(settings)`."""
    return Rules.of(settings).rewritten(address)


def parts(address: str) -> tuple[str, str | None]:
    """(local part, domain); the domain is None when there is no `@`."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, None)


def split(address: str) -> tuple[str, str]:
    """(local part, domain); the domain is "" when there is none."""
    local, domain = parts(address)
    return local, domain or ""


def without_last_dot(domain: str) -> str:
    """One trailing dot is dropped; `a..` and a lone dot stay as they are, and are refused later."""
    return domain[:-1] if len(domain) > 1 and domain[-1] == "." and domain[-2] != "." else domain


_DOT_STRING = re.compile(r'[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+(?:\.[^\x00-\x20\x7f"(),.:;<>@\[\\\]]+)*')


def is_dot_string(local: str) -> bool:
    """Does the local part stand without quotes (RFC 5321 4.1.2 Dot-string; eight-bit characters pass)?"""
    return _DOT_STRING.fullmatch(local) is not None


def forms(address: str) -> tuple[str, ...]:
    """The forms under which an address is looked up: quoted as on the wire, then internal where that differs."""
    quoted = external(address)
    return (quoted,) if quoted == address else (quoted, address)


def without_extension(local: str, delimiters: str) -> str | None:
    """`user` of `user+ext`; None when there is no extension. recipient_delimiter may hold several characters."""
    if not delimiters or local.lower() in ("double-bounce", "mailer-daemon"):
        return None
    if "-" in delimiters and (local.startswith("owner-") or local.endswith("-request")):
        return None  # owner-list and list-request are mailing list conventions, not extensions (owner_request_special)
    at = next((at for at, char in enumerate(local) if char in delimiters), 0)
    return local[:at] if at else None


def literal_address(domain: str) -> str | None:
    """The IP address of `[1.2.3.4]` or `[IPv6:...]` (RFC 5321 4.1.3), None for anything else."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    wanted = 4
    if inside[:5].lower() == "ipv6:":
        inside, wanted = inside[5:], 6
    return inside if address_number(inside)[0] == wanted else None


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
