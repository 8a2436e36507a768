"""Rules: what is not wrong, but seldom meant: in restriction lists. RSV-01, RSV-03, RSV-04, RSV-08."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.broad import is_of_containers
from gatepost.audit.change import AddItems, RemoveSetting, ReplaceItem
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.flow import Item, Who
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.networks import taken
from gatepost.audit.rule import rule
from gatepost.audit.rules.relaying import RECIPIENT, RELAY, barrier
from gatepost.audit.subject import Subject, together
from gatepost.audit.version import Version
from gatepost.span import Span

HELO = "smtpd_helo_restrictions"
NAMES = ("reject_non_fqdn_helo_hostname", "reject_unknown_helo_hostname")
"""What mail programs on home networks fail; malformed names (reject_invalid_helo_hostname) they do not send."""
ORDER = "smtpd_relay_before_recipient_restrictions"
ORDERED = Version(3, 6)
LOGIN = "permit_sasl_authenticated"


@rule("RSV-01", Severity.LOW)
def mail_programs_are_judged_by_their_helo(subject: Subject) -> Iterator[Finding]:
    """A port for users judges the HELO name before it knows that they have logged in.

    What: `reject_non_fqdn_helo_hostname` or `reject_unknown_helo_hostname` in the HELO list of a submission service,
    and no `permit_sasl_authenticated` before it.

    Why: Mail programs say what the computer they run on calls itself: `laptop`, or a name that only the home network
    knows. Users who have logged in are refused with "Helo command rejected" (postconf(5); RFC 6409 4.3 wants
    submission servers to be lenient about names).

    Bad:
        smtpd_helo_restrictions = reject_non_fqdn_helo_hostname

    Good:
        smtpd_helo_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_non_fqdn_helo_hostname

    Fix: Permit those who have logged in first. With `smtpd_delay_reject = no` nobody has logged in yet: then give the
    submission service an empty list of its own.
    """
    found: list[tuple[tuple[Span | None, str], Listener]] = []
    items: dict[tuple[Span | None, str], Item] = {}
    for listener in subject.listeners:
        if listener.role not in (Role.SUBMISSION, Role.SMTPS):
            continue
        listed = listener.list(HELO)
        for item in listed.working(*NAMES)[:1]:
            excused = any(each.who in (Who.LOGIN, Who.ANYBODY) for each in listed.permits_before(item))
            if not excused or not listener.delays_reject:
                found.append(((item.span, item.name), listener))
                items[item.span, item.name] = item
    for key, listeners in together(found).items():
        item, first = items[key], listeners[0]
        late = all(each.delays_reject for each in listeners)
        change = AddItems(HELO, (LOGIN,), item.text, first.holder(HELO))
        fix = Fix("permit those who have logged in first", (change,)) if late and not item.path else Fix(
            "give the service an empty smtpd_helo_restrictions of its own")
        yield Finding("", Severity.LOW, f"{named(listeners)}: users who have logged in are refused by {item.name} when "
                      "their computer has no name that the world knows", item.span, HELO, first.holder(HELO), fix=fix)


@rule("RSV-03", Severity.MEDIUM)
def recipient_list_is_run_before_the_relay_list(subject: Subject) -> Iterator[Finding]:
    """The recipient list is run before the list that stops relaying.

    What: `smtpd_relay_before_recipient_restrictions = no` on Postfix 3.6 or newer.

    Why: With yes, the default since 3.6, mail for strangers is refused first. With no every check of the recipient
    list, policy servers and DNS lists included, is asked about mail that is refused anyway, and logs tell of spam where
    a relay attempt was (postconf(5), COMPATIBILITY_README).

    Bad:
        smtpd_relay_before_recipient_restrictions = no

    Good:
        smtpd_relay_before_recipient_restrictions = yes

    Fix: Take it out.
    """
    if subject.version < ORDERED:
        return
    off = [each for each in subject.public if each.is_set(ORDER)
           and not each.value(p.SMTPD_RELAY_BEFORE_RECIPIENT_RESTRICTIONS, True)]
    for place, listeners in together((each.place(ORDER), each) for each in off).items():
        holder = listeners[0].holder(ORDER)
        yield Finding("", Severity.MEDIUM, f"{named(listeners)}: {RECIPIENT} is run before {RELAY}, and asked about "
                      "mail that is refused anyway", place, ORDER, holder,
                      fix=Fix("take it out", (RemoveSetting(ORDER, holder),)))


@rule("RSV-04", Severity.INFORMATION)
def relaying_is_only_put_off(subject: Subject) -> Iterator[Finding]:
    """Mail for strangers is put off, not refused: honest senders wait for days to learn of it.

    What: The only thing that stops relaying is `defer_unauth_destination`, written by the operator.

    Why: It answers 454: meant for the time when a list is new, so that a mistake loses no mail. A sender with a wrong
    address, or a domain whose MX record points here by mistake, tries for five days before anybody is told
    (postconf(5)).

    Bad:
        smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination

    Good:
        smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination

    Fix: `reject_unauth_destination`, once the list is known to be right.
    """
    found: list[tuple[Span | None, Listener]] = []
    items: dict[Span | None, tuple[str, Item]] = {}
    for listener in subject.public:
        barriers = [(name, item) for name in (RELAY, RECIPIENT) if (item := barrier(listener.list(name))) is not None]
        if len(barriers) == 1 and barriers[0][1].name == "defer_unauth_destination" and listener.is_set(barriers[0][0]):
            items[barriers[0][1].span] = barriers[0]
            found.append((barriers[0][1].span, listener))
    for place, listeners in together(found).items():
        name, item = items[place]
        change = ReplaceItem(name, item.word, "reject_unauth_destination", listeners[0].holder(name))
        yield Finding("", Severity.INFORMATION, f"{named(listeners)}: mail for strangers is only put off: senders try "
                      "for days", place, name, listeners[0].holder(name),
                      fix=Fix("refuse it", (change,) if not item.path else ()))


@rule("RSV-08", Severity.LOW)
def policy_server_is_not_asked_about_strangers(subject: Subject) -> Iterator[Finding]:
    """A policy server is asked only about clients that are not trusted, and strangers look trusted here.

    What: `check_policy_service` behind `permit_mynetworks` on a service for strangers, while `mynetworks` holds a whole
    network of containers or its gateway.

    Why: Where the container engine rewrites source addresses every client of the Internet comes from the gateway, is
    permitted by `permit_mynetworks`, and greylisting, quotas or whatever the policy server does never see it
    (anonaddy #294; docker-mailserver #1405).

    Bad:
        mynetworks = 127.0.0.0/8, 172.16.0.0/12
        smtpd_recipient_restrictions = permit_mynetworks, check_policy_service inet:127.0.0.1:10023

    Good:
        mynetworks = 127.0.0.0/8
        smtpd_recipient_restrictions = permit_mynetworks, check_policy_service inet:127.0.0.1:10023

    Fix: Take the network out of `mynetworks`; let programs in containers log in.
    """
    found: list[tuple[tuple[Span | None, str], Listener]] = []
    for listener in subject.public:
        if listener.role is not Role.MX or not any(
                each.network is not None and is_of_containers(each.network)
                for each in taken(listener.value(p.MYNETWORKS, ()), subject)):
            continue
        for name in (RELAY, RECIPIENT, "smtpd_data_restrictions", "smtpd_end_of_data_restrictions"):
            listed = listener.list(name)
            for item in listed.working("check_policy_service"):
                if any(each.who is Who.NETWORKS for each in listed.permits_before(item)):
                    found.append(((item.span, name), listener))
    for (place, name), listeners in together(found).items():
        yield Finding("", Severity.LOW, f"{named(listeners)}: the policy server is not asked about clients whose "
                      "address a container engine has rewritten: permit_mynetworks stands before it", place, name,
                      listeners[0].holder(name), Confidence.LOW, Fix("take container networks out of mynetworks"))
