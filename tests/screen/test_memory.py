"""What was put is what is got: by this process at once, by others soon, and after a restart."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gatepost.screen.memory import NOT_KNOWN, Memory
from gatepost.screen.memory_store import Catch
from gatepost.span import ConfigError
from tests.screen.remembering import Heard, catch, file, memory, open_memory, settings

A, B = "192.0.2.1", "2001:db8::25"
RECORD, OTHER = "1;2;3;4;5", "6;7;8;9;10"


@pytest.mark.asyncio
async def test_what_is_put_is_known_at_once_and_after_a_restart(tmp_path: Path) -> None:
    found = settings(f"btree:{tmp_path}/cache")
    async with memory(found) as first:
        assert await first.get(A) is None
        assert first.get_now(A) is NOT_KNOWN
        first.put(A, RECORD)
        first.put(B, RECORD)
        first.put(B, OTHER)
        assert (first.get_now(A), first.get_now(B)) == (RECORD, OTHER)
    async with memory(found) as second:
        assert second.get_now(A) is NOT_KNOWN
        assert await second.get(A) == RECORD
        assert second.get_now(A) == RECORD
        assert await second.get(B) == OTHER
        second.delete(A)
        assert second.get_now(A) is None
        assert await second.get(A) is None
    async with memory(found) as third:
        assert await third.get(A) is None
        assert await third.get(B) == OTHER


@pytest.mark.asyncio
async def test_a_file_is_shared(tmp_path: Path) -> None:
    found = settings(f"btree:{tmp_path}/cache")
    async with memory(found) as one, memory(found) as other:
        one.put(A, RECORD)
        await one.settled()
        assert await other.get(A) == RECORD
        other.delete(A)
        other.put(B, RECORD)
        await other.settled()
        assert await one.get(B) == RECORD
    async with memory(found) as later:
        assert await later.get(A) is None


@pytest.mark.asyncio
async def test_without_a_cache_map_nothing_is_remembered() -> None:
    async with memory(settings("")) as nothing:
        assert not nothing.configured
        nothing.put(A, RECORD)
        nothing.caught(catch(A))
        assert nothing.get_now(A) is None
        assert await nothing.get(A) is None
        assert not await nothing.offended(A)
        assert await nothing.history() == []
        nothing.delete(A)


@pytest.mark.parametrize("spec", ["btree", "hash", "lmdb", "proxy:btree", "proxy:lmdb"])
def test_postfix_s_file_types_are_one_sqlite_file(tmp_path: Path, spec: str) -> None:
    opened = open_memory(settings(f"{spec}:{tmp_path}/cache"), Heard())
    assert opened.store is not None
    assert opened.store.place == str(file(tmp_path))


def test_a_relative_name_lies_in_the_queue_directory(tmp_path: Path) -> None:
    opened = open_memory(settings("btree:cache", queue_directory=str(tmp_path)), Heard())
    assert opened.store is not None
    assert opened.store.place == str(file(tmp_path))


@pytest.mark.parametrize(("spec", "message"), [
    ("cidr:/x", "postscreen_cache_map: unsupported dictionary type: cidr"),
    ("/var/lib/cache", 'postscreen_cache_map: expecting one table in "type:name" form'),
    ("btree:", 'postscreen_cache_map: expecting one table in "type:name" form'),
    ("btree:/a hash:/b", 'postscreen_cache_map: expecting one table in "type:name" form'),
])
def test_what_cannot_be_a_cache_is_said(spec: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Memory.of(settings(spec), warn=print, info=print)
    assert (raised.value.message, raised.value.text) == (message, spec)


Step = st.tuples(st.sampled_from(["put", "delete", "get", "restart", "settle"]),
                 st.sampled_from([A, B, "198.51.100.1"]),
                 st.lists(st.integers(0, 2**40), min_size=5, max_size=5))


@effort(deadline=None, max_examples=30)
@given(st.lists(Step, max_size=25))
def test_through_any_sequence_what_was_put_is_what_is_got(steps: list[tuple[str, str, list[int]]]) -> None:
    async def play(directory: str) -> None:
        found, expected, heard = settings(f"btree:{directory}/cache"), dict[str, str](), Heard()
        opened = open_memory(found, heard)
        for verb, address, stamps in steps:
            match verb:
                case "put":
                    expected[address] = ";".join(map(str, stamps))
                    opened.put(address, expected[address])
                case "delete":
                    expected.pop(address, None)
                    opened.delete(address)
                case "settle":
                    await opened.settled()
                case "restart":
                    await opened.close()
                    opened = open_memory(found, heard)
            assert await opened.get(address) == expected.get(address)
            assert opened.get_now(address) in (expected.get(address), NOT_KNOWN)
        await opened.settled()
        assert dict([row async for page in opened.records() for row in page]) == expected
        await opened.close()
        assert heard.warnings == []

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(directory))


@pytest.mark.asyncio
async def test_the_history_is_newest_first_and_goes_by_address(tmp_path: Path) -> None:
    found = settings(f"btree:{tmp_path}/cache")
    bare = catch(B, trial="bare newline")
    async with memory(found) as first:
        first.caught(catch(A, age=10, text="first"))
        assert await first.offended(A)
        await first.settled()
        first.caught(bare)
        assert await first.offended(A) and await first.offended(B)
        assert not await first.offended("198.51.100.1")
        assert [one.text for one in await first.history()] == [bare.text, "first"]
    async with memory(found) as second:
        assert await second.history(B) == [bare]
        assert [one.address for one in await second.history()] == [B, A]
        assert await second.offended(A)
        assert second.store is not None
        assert await second.store.forget(A)
        assert not await second.store.forget(A)
        assert not await second.offended(A)


@pytest.mark.asyncio
async def test_the_history_is_bounded_by_number_and_by_days(tmp_path: Path) -> None:
    found = settings(f"btree:{tmp_path}/cache", gatepost_screen_history_limit="5", gatepost_screen_history_time="1d")
    async with memory(found) as opened:
        opened.caught(catch(B, age=2 * 86400))
        await opened.settled()
        assert not await opened.offended(B)
        for number in range(12):
            opened.caught(catch(A, text=str(number)))
            if number % 4 == 0:
                await opened.settled()
        await opened.settled()
        assert [one.text for one in await opened.history()] == ["11", "10", "9", "8", "7"]
        assert opened.store is not None
        assert len(await opened.store.history(0)) == 5


@pytest.mark.asyncio
async def test_no_history_where_the_limit_is_nought(tmp_path: Path) -> None:
    async with memory(settings(f"btree:{tmp_path}/cache", gatepost_screen_history_limit="0")) as opened:
        opened.caught(catch(A))
        assert not await opened.offended(A)
        assert await opened.history() == []


@pytest.mark.asyncio
async def test_what_a_client_sent_is_kept_printable(tmp_path: Path) -> None:
    found = settings(f"btree:{tmp_path}/cache")
    async with memory(found) as opened:
        opened.caught(catch(A, text='a\x1b[1m\udcff"b\x00'))
        await opened.settled()
    async with memory(found) as opened:
        assert [one.text for one in await opened.history()] == ['a?[1m?"b?']


def test_a_catch_is_read_back_as_it_was_written() -> None:
    one = catch(A, text="x\\r\\n")
    assert Catch.load(one.dump()) == one
    for bad in ("null", "[]", "{}", "[1,2]", "x"):
        with pytest.raises(ValueError):
            Catch.load(bad)


@pytest.mark.asyncio
async def test_a_store_that_fails_costs_one_warning_and_nothing_known(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("where the directory should be")
    heard = Heard()
    async with memory(settings(f"btree:{obstacle}/cache"), heard) as opened:
        opened.put(A, RECORD)
        opened.caught(catch(A))
        for _ in range(5):
            assert await opened.get(B) is None
            assert await opened.get(A) == RECORD
            assert await opened.offended(A)
            await asyncio.sleep(0.02)
        assert len(heard.warnings) == 1
        assert heard.warnings[0].startswith(f"cache {file(obstacle)}: ")
        assert heard.warnings[0].endswith("going on with what this process remembers")
        opened.put(A, OTHER)
        obstacle.unlink()
        await opened.settled()
        assert await opened.get(B) is None
        assert heard.infos == [f"cache {file(obstacle)}: usable again"]
    assert len(heard.warnings) == 1
    async with memory(settings(f"btree:{obstacle}/cache")) as later:
        assert await later.get(A) == OTHER
        assert len(await later.history(A)) == 1


@pytest.mark.asyncio
async def test_closing_before_a_failing_store_ends_and_says_what_is_lost(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("where the directory should be")
    heard = Heard()
    async with memory(settings(f"btree:{obstacle}/cache"), heard) as opened:
        opened.put(A, RECORD)
        opened.put(B, RECORD)
    assert heard.warnings[1:] == [f"cache {file(obstacle)}: 2 records could not be written and are lost"]
