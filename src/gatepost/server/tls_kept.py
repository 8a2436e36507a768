"""Which TLS does a service go on with when its key can no longer be read?

Private keys are root's, and a reload happens after root was given up: then the certificates that were read at the start
stay in use, with a warning, rather than TLS ending for everybody. This file must not know sessions.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from gatepost.config.settings import Settings
from gatepost.server.tls import ServerTls, certificate_files, server_tls


class KeptTls:
    """The TLS of a process's services, from configuration to configuration."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], ServerTls] = {}

    def of(self, settings: Settings, warn: Callable[[str], None]) -> ServerTls:
        """A service's TLS, read now or kept. ConfigError where TLS is demanded and cannot be had."""
        files = certificate_files(settings)
        kept = self._kept.get(files)
        if kept is not None and kept.context is not None and os.geteuid() != 0:
            unreadable = [file for file in files[1:] if not os.access(file, os.R_OK)]
            if unreadable:
                warn(f"{unreadable[0]} cannot be read without root: TLS goes on as it was at the start")
                return kept
        found = server_tls(settings)
        if found.context is not None:
            self._kept[files] = found
        return found
