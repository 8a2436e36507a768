"""Tags mean releases, and each release has the values its image has."""

from __future__ import annotations

import pytest

from gatepost.config import master, source
from gatepost.config.dms.release import NEWEST, RELEASES, Release, image, release
from gatepost.span import ConfigError


@pytest.mark.parametrize(("tag", "name"), [
    ("v13.1.0", "13.1"), ("13.1", "13.1"), ("13", "13.3"), ("v12.1", "12.1"), ("edge", "edge"), ("latest", NEWEST.name),
    ("15.0.1", "15.0"), (" V14.0.0 ", "14.0"),
])
def test_a_tag_means_a_release(tag: str, name: str) -> None:
    assert release(tag).name == name


@pytest.mark.parametrize("tag", ["v10.5.0", "16", "", "13.9", "thirteen", "13.1.0-rc1"])
def test_what_is_no_known_release_is_said(tag: str) -> None:
    with pytest.raises(ConfigError, match="not a docker-mailserver release"):
        release(tag)


def test_releases_are_ordered() -> None:
    assert release("13.1").since("12.1") and release("13.1").since("13.1")
    assert not release("13.1").since("13.2") and release("edge").since("15.1")


@pytest.mark.parametrize("each", RELEASES, ids=str)
def test_every_image_reads(each: Release) -> None:
    main = source.parse("main.cf", "".join(f"{line}\n" for line in image("main", each)))
    assert main.problems == () and len(main.entries) > 60
    lines = [line for part in ("master", "amavis") for line in image(part, each)]
    entries = master.parse("master.cf", "".join(f"{line}\n" for line in lines))
    assert entries.problems == ()
    names = [str(service) for service in entries.services]
    assert len(names) == len(set(names))
    assert {"smtp/inet", "smtpd/pass", "submission/inet", "127.0.0.1:10025/inet"} <= set(names)
    assert ("submissions/inet" in names) == each.since("13.0") != ("smtps/inet" in names)


@pytest.mark.parametrize(("name", "restrictions"), [("13.1", None), ("13.2", (
    "permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining"))])
def test_the_check_came_to_data_with_13_2(name: str, restrictions: str | None) -> None:
    main = dict(line.split(" = ", 1) for line in image("main", release(name)) if " = " in line)
    assert main.get("smtpd_data_restrictions") == restrictions
    assert ("reject_unauth_pipelining" in main["smtpd_client_restrictions"]) == (restrictions is None)
