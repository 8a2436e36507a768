"""A compose file gives image, environment and mounts of the mail server, with places; what is no YAML is said."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms import compose
from gatepost.config.dms.compose import Compose
from gatepost.span import ConfigError

TEXT = """\
x-common: &common
  restart: always
services:
  web:
    image: nginx
  mail:
    <<: *common
    image: ghcr.io/docker-mailserver/docker-mailserver:13.1.0
    hostname: mail
    domainname: example.org
    env_file:
      - mailserver.env
      - path: more.env
    environment:
      PERMIT_DOCKER: host
      ENABLE_POSTGREY: 1
      RELAY_HOST: ${RELAY:-none}
      SSL_TYPE:
      TZ: ${TZ}
    volumes:
      - ./mail/config/:/tmp/docker-mailserver/
"""


def read(text: str, **known: str) -> Compose:
    found = compose.read("compose.yaml", text, known)
    assert found is not None
    return found


def test_the_mail_server_is_found() -> None:
    found = read(TEXT)
    assert (found.service, found.tag, found.hostname) == ("mail", "13.1.0", "mail.example.org")
    assert found.env_files == ("mailserver.env", "more.env") and found.config == "./mail/config/"


def test_variables_have_places() -> None:
    found = read(TEXT)
    variable = found.environment["PERMIT_DOCKER"]
    assert variable.value == "host" and variable.span is not None
    assert (variable.span.line, variable.span.column) == (15, 7)
    assert found.environment["RELAY_HOST"].value == "none"
    assert [problem.text for problem in found.unknown] == ["SSL_TYPE"]


def test_variables_may_be_a_list() -> None:
    text = """\
services:
  m:
    image: x/docker-mailserver
    environment:
      - "PERMIT_DOCKER=network"
      - TZ
"""
    found = read(text, TZ="UTC")
    span = found.environment["PERMIT_DOCKER"].span
    assert span is not None and span.line == 5
    assert found.environment["TZ"].value == "UTC" and found.tag == "" and found.unknown == ()


@pytest.mark.parametrize("text", ["services: {a: {image: nginx}}", "", "[]", "services: 3", "x: 1"])
def test_other_files_have_no_mail_server(text: str) -> None:
    assert compose.read("compose.yaml", text, {}) is None


@pytest.mark.parametrize("text", ["a: [", "\t- x", "a: b: c", "a: *nothing", "\x00", "{" * 2000])
def test_what_is_no_yaml_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        compose.read("compose.yaml", text, {})


@given(st.text() | st.recursive(st.text() | st.integers() | st.none(), lambda inner: (
    st.lists(inner) | st.dictionaries(st.sampled_from(["services", "image", "environment", "env_file", "volumes", "m"]),
                                      inner))).map(yaml.safe_dump))
def test_anything_reads_or_is_said(text: str) -> None:
    try:
        compose.read("compose.yaml", text, {})
    except ConfigError as error:
        assert error.span is not None
