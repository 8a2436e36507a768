"""Where does the program begin? With the choice of compiled modules or sources, before any is imported."""

from __future__ import annotations

from gatepost import compiled


def main() -> None:
    """The program `gatepost`."""
    compiled.use()
    from gatepost.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
