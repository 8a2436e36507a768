"""Parameters: TLS while a client is screened. Each is the twin of a parameter in security.py that tells more.

Between the two stands what Postfix before 3.12 reads, the parameter of tlsproxy: it counts when it is set.
"""

from __future__ import annotations

from typing import TypeVar

from gatepost.config.parameter import Parameter, declare
from gatepost.config.parameters import security

_T = TypeVar("_T")

POSTSCREEN_TLS_TWINS: dict[str, str] = {}
"""smtpd's parameter -> screening's."""


def _twin(of: Parameter[_T]) -> Parameter[_T]:
    name = of.name.replace("smtpd_", "postscreen_", 1)
    POSTSCREEN_TLS_TWINS[of.name] = name
    return declare(Parameter(name, "$" + of.name.replace("smtpd_", "tlsproxy_", 1), of.read,
                             f"{of.name}, while a client is screened.", of.kind, of.raw, of.limits))


POSTSCREEN_TLS_CAFILE = _twin(security.SMTPD_TLS_CAFILE)
POSTSCREEN_TLS_CAPATH = _twin(security.SMTPD_TLS_CAPATH)
POSTSCREEN_TLS_ASK_CCERT = _twin(security.SMTPD_TLS_ASK_CCERT)
POSTSCREEN_TLS_CERT_FILE = _twin(security.SMTPD_TLS_CERT_FILE)
POSTSCREEN_TLS_CHAIN_FILES = _twin(security.SMTPD_TLS_CHAIN_FILES)
POSTSCREEN_TLS_CIPHERS = _twin(security.SMTPD_TLS_CIPHERS)
POSTSCREEN_TLS_DCERT_FILE = _twin(security.SMTPD_TLS_DCERT_FILE)
POSTSCREEN_TLS_DKEY_FILE = _twin(security.SMTPD_TLS_DKEY_FILE)
POSTSCREEN_TLS_ECCERT_FILE = _twin(security.SMTPD_TLS_ECCERT_FILE)
POSTSCREEN_TLS_ECKEY_FILE = _twin(security.SMTPD_TLS_ECKEY_FILE)
POSTSCREEN_TLS_EECDH_GRADE = _twin(security.SMTPD_TLS_EECDH_GRADE)
POSTSCREEN_TLS_EXCLUDE_CIPHERS = _twin(security.SMTPD_TLS_EXCLUDE_CIPHERS)
POSTSCREEN_TLS_KEY_FILE = _twin(security.SMTPD_TLS_KEY_FILE)
POSTSCREEN_TLS_MANDATORY_CIPHERS = _twin(security.SMTPD_TLS_MANDATORY_CIPHERS)
POSTSCREEN_TLS_MANDATORY_EXCLUDE_CIPHERS = _twin(security.SMTPD_TLS_MANDATORY_EXCLUDE_CIPHERS)
POSTSCREEN_TLS_MANDATORY_PROTOCOLS = _twin(security.SMTPD_TLS_MANDATORY_PROTOCOLS)
POSTSCREEN_TLS_PROTOCOLS = _twin(security.SMTPD_TLS_PROTOCOLS)
POSTSCREEN_TLS_REQ_CCERT = _twin(security.SMTPD_TLS_REQ_CCERT)
