"""What all tests share: without a mark, none reaches beyond this machine."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.pipenv_program import install_pipenv

if TYPE_CHECKING:
    from pathlib import Path


# A shell that starts the tests in the background lets them, and all that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines in tests that are not marked as needing them."""
    if not {"network", "real"} & {mark.name for mark in request.node.iter_markers()}:
        monkeypatch.setattr(socket.socket, "connect", connect_at_home)


def connect_at_home(self: socket.socket, address: Any, connect: Any = socket.socket.connect) -> None:  # noqa: ANN401 (as socket has it)
    """Connect to this machine, and to no other."""
    if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
        pytest.fail(f"a test without the mark `network` connects to {address[0]}")
    connect(self, address)


@pytest.fixture(scope="session")
def pipenv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the current release of Pipenv, from the index."""
    return install_pipenv(tmp_path_factory.mktemp("pipenv") / "venv", sys.executable, "pipenv")
