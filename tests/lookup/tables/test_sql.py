"""sqlite tables against real database files; what all SQL tables share is tested here too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.lookup.tables.opened import Tables

ROWS = [("u@example.com", "box1"), ("u@example.com", "box2"), ("o'hara@example.com", "box3"),
        ("x@other.example", "box4"), ("empty@example.com", ""), ("null@example.com", None)]


def database(directory: Path) -> Path:
    path = directory / "mail.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (address TEXT, box TEXT)")
        connection.executemany("INSERT INTO users VALUES (?, ?)", ROWS)
    connection.close()
    return path


def ask(directory: Path, extra: str, *keys: str) -> list[str | None]:
    config = directory / "users.cf"
    config.write_text(f"# users\ndbpath = {database(directory)}\n{extra}\n")
    return Tables().ask(f"sqlite:{config}", *keys)


QUERY = "query = SELECT box FROM users\n  WHERE address = '%s' ORDER BY box"


@pytest.mark.parametrize(("extra", "key", "expected"), [
    (QUERY, "u@example.com", "box1,box2"),
    (QUERY, "U@Example.com", "box1,box2"),
    (QUERY, "nobody@example.com", None),
    (QUERY, "o'hara@example.com", "box3"),
    (QUERY, "x' OR '1' = '1", None),
    (QUERY, "empty@example.com", None),
    (QUERY, "null@example.com", None),
    (f"{QUERY}\nresult_format = %s@%D", "u@example.com", "box1@example.com,box2@example.com"),
    (f"{QUERY}\nexpansion_limit = 1", "u@example.com", "FAILED"),
    (f"{QUERY}\nexpansion_limit = 2", "u@example.com", "box1,box2"),
    (f"{QUERY}\ndomain = other.example, !example.com", "u@example.com", None),
    (f"{QUERY}\ndomain = other.example", "x@other.example", "box4"),
    (f"{QUERY}\ndomain = other.example", "x", None),
    (f"{QUERY}\ndomain = inline:{{other.example=y}}", "x@other.example", "box4"),
    ("select_field = box\ntable = users\nwhere_field = address\nadditional_conditions = AND box = 'box2'",
     "u@example.com", "box2"),
    ("query = SELECT 1 FROM users WHERE '%d' = 'x'", "no-domain", None),
    ("query = SELECT nonsense", "u@example.com", "FAILED"),
    ("", "u@example.com", "FAILED"),
    ("query = SELECT '%q'", "u@example.com", "FAILED"),
    ("broken line", "u@example.com", "FAILED"),
])
def test_sqlite(tmp_path: Path, extra: str, key: str, expected: str | None) -> None:
    """One query, many ways to shape its answer."""
    assert ask(tmp_path, extra, key) == [expected]


def test_missing_database_fails_and_is_not_created(tmp_path: Path) -> None:
    """Reading must not make an empty database."""
    config = tmp_path / "users.cf"
    config.write_text(f"dbpath = {tmp_path}/absent.db\n{QUERY}\n")
    assert Tables().ask(f"sqlite:{config}", "a", "a") == ["FAILED", "FAILED"]
    assert not (tmp_path / "absent.db").exists()


def test_parameters_of_main_cf(tmp_path: Path) -> None:
    """A table name without a slash names main.cf parameters."""
    tables = Tables({"users_dbpath": str(database(tmp_path)), "users_query": "SELECT box FROM users WHERE box = '%u'"})
    assert tables.ask("sqlite:users", "box4") == ["box4"]


@pytest.mark.parametrize(("kind", "module", "extra"), [
    ("pgsql", "psycopg", "pgsql"), ("mysql", "pymysql", "mysql"), ("ldap", "ldap3", "ldap"),
    ("memcache", "pymemcache", "memcache"), ("mongodb", "pymongo", "mongodb")])
def test_missing_library_names_the_extra(tmp_path: Path, kind: str, module: str, extra: str) -> None:
    """Without its library a table is a configuration error that says what to install."""
    try:
        __import__(module)
    except ImportError:
        pass
    else:
        pytest.skip(f"{module} is installed")
    config = tmp_path / "x.cf"
    config.write_text("query = SELECT 1\n")
    problem = Tables().open(f"{kind}:{config}").problem
    assert problem is not None
    assert f'pip install "gatepost[{extra}]"' in problem.message
