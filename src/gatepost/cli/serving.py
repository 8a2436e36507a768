"""Start the gateway: configuration, log and daemon put together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from gatepost.config import parameters as p
from gatepost.config.builtin import configuration as builtin
from gatepost.config.load import Configuration, load
from gatepost.config.settings import Settings
from gatepost.observe.log import Log, Sink, StreamSink, SyslogSink, file_or_stream
from gatepost.server.daemon import Daemon, Manner, run
from gatepost.server.ends import Ends
from gatepost.server.gateway import Gateway
from gatepost.server.manage import manage
from gatepost.server.queue_process import QueueProcess
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError


def state_directory(state: Path | None) -> Path:
    """Where the built-in configuration keeps its state: --state, or the user's state home."""
    if state is not None:
        return state
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "gatepost"


def configuration(directory: Path | None, state: Path | None, listen: str) -> Configuration:
    """The operator's configuration, or the built-in one. ConfigError for what cannot be read."""
    if directory is not None:
        return load(str(directory))
    return builtin(str(state_directory(state)), listen)


def open_log(settings: Settings) -> Log:
    """The log that the settings ask for. ConfigError when the file cannot be used."""
    path = settings[p.MAILLOG_FILE]
    sinks: list[Sink]
    if path:
        try:
            sinks = [file_or_stream(path, [word.text for word in settings[p.MAILLOG_FILE_PREFIXES]])]
        except ConfigError as error:
            raise ConfigError(error.message, settings.span(p.MAILLOG_FILE), error.text) from None
    else:
        sinks = [SyslogSink()] if os.path.exists("/dev/log") else [StreamSink(2)]
    host = socket.gethostname().partition(".")[0]
    return Log(sinks, host=host, json=settings[p.GATEPOST_LOG_FORMAT] == "json")


def _is_on_standard_error(settings: Settings) -> bool:
    path = settings[p.MAILLOG_FILE]
    return path == "/dev/stderr" if path else not os.path.exists("/dev/log")


def serve(directory: Path | None, state: Path | None, listen: str) -> None:
    """Run until told to stop. ConfigError when it cannot start."""
    first = configuration(directory, state, listen)
    log = open_log(first.main)
    tag = f"{first.main[p.SYSLOG_NAME]}/smtpd"
    try:
        _check(first, log, tag)
        if directory is None:
            _make_state(state_directory(state))
            _introduce(first, state_directory(state), listen)
        run(_main(first, directory, state, listen, log, tag, _queue_manager(first, directory, state, listen, log, tag)))
    except ConfigError as error:
        if not _is_on_standard_error(first.main):  # where the error is told in any case
            log.fatal(tag, error.message if first.main[p.GATEPOST_COMPATIBILITY] == "postfix" else str(error))
        raise
    finally:
        log.close()


def _queue_manager(first: Configuration, directory: Path | None, state: Path | None, listen: str, log: Log,
                   tag: str) -> QueueProcess:
    """Its process, forked from this one while that is nothing but a configuration: what has been imported is shared."""

    def fork(theirs: Ends, ours: Ends) -> int:
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            ours.close()  # or the end of the server would not be seen
            log.forked()
            ready = [first]
            manage(theirs, lambda: ready.pop() if ready else configuration(directory, state, listen), log)
            status = 0
        except Exception:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def program(theirs: Ends, _: Ends) -> int:
        words = [",".join(map(str, theirs.numbers)), str(directory or ""), str(state or ""), listen]
        command = [sys.executable, "-m", "gatepost.cli.manage", *words]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=theirs.numbers).pid

    return QueueProcess(fork, program, log, tag)


async def _main(first: Configuration, directory: Path | None, state: Path | None, listen: str, log: Log,
                tag: str, custodian: QueueProcess) -> None:
    ready = [first]

    def read() -> Configuration:
        """The configuration that was read at the start; at a reload it is read again."""
        if ready:
            return ready.pop()
        again = configuration(directory, state, listen)
        _check(again, log, tag)
        log.reopen()
        return again

    settings = first.main
    manner = Manner(
        warn=lambda text: log.warning(tag, text),
        fail=lambda text: log.error(tag, text),
        announce=lambda text: print(text, flush=True),
        user=settings[p.GATEPOST_USER],
        goodbye=Reply(421, "4.3.2", f"{settings[p.MYHOSTNAME]} Service shutting down").render(),
    )
    await Daemon(Gateway(read, log, custodian), manner).run()


def _check(found: Configuration, log: Log, tag: str) -> None:
    """Warnings are logged and shown; the first error ends the start."""
    for problem in found.problems:
        if problem.severity == "error":
            raise problem.as_error()
        log.warning(tag, str(problem).replace(" warning:", "", 1))
        if found.directory and sys.stderr.isatty():
            print(f"gatepost: {problem}", file=sys.stderr)


def _make_state(state: Path) -> None:
    """The directory that mailboxes are made in: with an operator's configuration it is the operator's."""
    try:
        (state / "mail").mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot use the state directory: {error.strerror}", None, str(state)) from None


def _introduce(found: Configuration, state: Path, listen: str) -> None:
    """What runs without -c, said in its first lines."""
    domains = ", ".join(word.text for word in found.main[p.VIRTUAL_MAILBOX_DOMAINS])
    print(f"gatepost: no -c given: built-in configuration, listening on {listen}")
    print(f"gatepost: mail for {domains} goes into the Maildir {state}/mail/inbox; nothing is relayed")
    print(f"gatepost: state is kept below {state}", flush=True)
