"""config/honesty.py: what an operator would believe that is not so."""

from __future__ import annotations

import pytest

from gatepost.config import parameters as p
from gatepost.config.load import loads

SMTPD = "smtp inet n - n - - smtpd"
ERROR = "(gatepost_accept_unfiltered = yes accepts that)"

CASES: list[tuple[str, str, str, list[str]]] = [
    ("nothing to say", "", SMTPD, []),
    ("a milter of all services", "smtpd_milters = inet:127.0.0.1:1", SMTPD,
     [f"d/main.cf:1: error: service smtp: smtpd_milters is not supported: mail would pass without it {ERROR}: "
      "'inet:127.0.0.1:1'"]),
    ("a milter that a service does without", "smtpd_milters = inet:127.0.0.1:1", f"{SMTPD}\n  -o smtpd_milters=", []),
    ("the same by an override option", "smtpd_milters = inet:127.0.0.1:1",
     f"{SMTPD}\n  -o receive_override_options=no_milters", []),
    ("a before-queue filter of one service", "", f"{SMTPD}\n  -o smtpd_proxy_filter=127.0.0.1:10025",
     [f"d/master.cf:2: error: service smtp: smtpd_proxy_filter is not supported: mail would pass without it {ERROR}: "
      "'127.0.0.1:10025'"]),
    ("accepted by the operator", "gatepost_accept_unfiltered = yes\nsmtpd_milters = inet:127.0.0.1:1", SMTPD,
     ["d/main.cf:2: warning: service smtp: smtpd_milters is not supported: mail passes without it: "
      "'inet:127.0.0.1:1'"]),
    ("postscreen", "", "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd", []),
    ("postscreen with nothing behind it", "", "smtp inet n - n - 1 postscreen\nsmtpd unix - - n - - smtpd",
     ["d/master.cf:1: warning: service smtp: there is no service smtpd of type pass: clients that passed screening are "
      "served with the settings of smtp itself"]),
    ("a PROXY header that postscreen has taken", "",
     "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy",
     ["d/master.cf:3: warning: ignoring non-empty smtpd_upstream_proxy_protocol setting behind postscreen"]),
    ("a milter of the smtpd behind postscreen", "",
     "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n  -o smtpd_milters=unix:x",
     [f"d/master.cf:3: error: service smtpd: smtpd_milters is not supported: mail would pass without it {ERROR}: "
      "'unix:x'"]),
    ("a delivery agent has no milters", "smtpd_milters = inet:127.0.0.1:1", "smtp unix - - n - - smtp", []),
    ("honoured in part", "canonical_maps = hash:x", SMTPD,
     ["d/main.cf:1: warning: parameter canonical_maps is honoured in part: addresses are not rewritten, it only says "
      "which recipients exist"]),
    ("honoured in part, but empty", "canonical_maps =", SMTPD, []),
]


@pytest.mark.parametrize(("sentence", "main_cf", "master_cf", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_what_is_said(sentence: str, main_cf: str, master_cf: str, wanted: list[str]) -> None:
    assert [str(problem) for problem in loads(main_cf + "\n", master_cf + "\n", directory="d").problems] == wanted


def test_postscreens_clients_get_the_settings_of_the_smtpd_behind_it() -> None:
    text = "smtp inet n - n - 1 postscreen -o smtpd_banner=no\nsmtpd pass - - n - - smtpd -o smtpd_banner=yes\n"
    configuration = loads("", text)
    assert configuration.serving(configuration.services[0])[p.SMTPD_BANNER] == "yes"
    alone = loads("", "smtp inet n - n - 1 postscreen -o smtpd_banner=no\n")
    assert alone.serving(alone.services[0])[p.SMTPD_BANNER] == "no"
