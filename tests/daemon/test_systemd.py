"""Datagrams to a service manager: a real socket hears them."""

import os
import socket
from pathlib import Path

from sync.daemon.systemd import Notifier


def listen(address: str) -> socket.socket:
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.settimeout(2)
    ear.bind(address)
    return ear


def test_states_are_sent(tmp_path: Path) -> None:
    with listen(str(tmp_path / "n")) as ear:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "60000000"})
        notifier.ready()
        notifier.status("next: north\nREADY=0")
        notifier.beat()
        notifier.stopping()
        heard = [ear.recv(200).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=next: north READY=0", "WATCHDOG=1", "STOPPING=1"]
    assert notifier.interval == 20


def test_the_abstract_namespace_is_reached() -> None:
    name = f"syncline-test-{os.getpid()}"
    with listen(f"\0{name}") as ear:
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert ear.recv(100) == b"READY=1"


def test_without_a_manager_or_with_a_deaf_one_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()


def test_a_watchdog_meant_for_another_process_is_not_fed(tmp_path: Path) -> None:
    with listen(str(tmp_path / "n")) as ear:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"})
        notifier.beat()
        notifier.stopping()
        assert ear.recv(100) == b"STOPPING=1"
