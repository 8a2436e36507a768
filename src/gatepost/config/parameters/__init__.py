"""Every parameter that Gatepost honours, each declared once.

`from gatepost.config import parameters as p; settings[p.SMTPD_HELO_REQUIRED]`. The Python name is the parameter's name
in upper case.
"""

# ruff: noqa: F403  -- some 400 names, each already listed once, where it is declared

from gatepost.config.parameter import DECLARED as DECLARED
from gatepost.config.parameters.access import *
from gatepost.config.parameters.client import *
from gatepost.config.parameters.content import *
from gatepost.config.parameters.delivery import *
from gatepost.config.parameters.identity import *
from gatepost.config.parameters.lmtp import *
from gatepost.config.parameters.ours import *
from gatepost.config.parameters.queue import *
from gatepost.config.parameters.screening import *
from gatepost.config.parameters.screening_tls import *
from gatepost.config.parameters.security import *
from gatepost.config.parameters.session import *
