"""Every restriction there is: the visible list. What is not here does not exist."""

from gatepost.policy.restriction import Restriction, by_name
from gatepost.policy.restrictions.access_maps import ACCESS_MAPS
from gatepost.policy.restrictions.client import CLIENT
from gatepost.policy.restrictions.delegated import DELEGATED
from gatepost.policy.restrictions.dnslists import DNS_LISTS
from gatepost.policy.restrictions.generic import GENERIC
from gatepost.policy.restrictions.helo import HELO
from gatepost.policy.restrictions.recipient import RECIPIENT
from gatepost.policy.restrictions.sender import SENDER
from gatepost.policy.restrictions.verified import VERIFIED

ALL: list[Restriction] = [
    *GENERIC, *CLIENT, *HELO, *SENDER, *RECIPIENT, *VERIFIED, *DNS_LISTS, *ACCESS_MAPS, *DELEGATED]
RESTRICTIONS: dict[str, Restriction] = by_name(ALL)
"""By name and old name, lower case."""
