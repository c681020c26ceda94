"""Tell systemd how the daemon is, by datagrams to ``$NOTIFY_SOCKET`` (sd_notify(3)); silent where there is none."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Send states to the service manager that started this process, if one did."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the socket's address and the watchdog's interval from the environment."""
        address = environ.get("NOTIFY_SOCKET", "")
        # a leading @ stands for the abstract namespace
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environ.get("WATCHDOG_USEC", "")
        self._watched = mine and microseconds.isdigit() and int(microseconds) > 0
        #: seconds between two signs of life: a third of what systemd allows
        self.interval = int(microseconds) / 3e6 if self._watched else 20.0

    def ready(self) -> None:
        """Say that the daemon is up."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Give the line that ``systemctl status`` shows."""
        self._send("STATUS=" + text.replace("\n", " "))

    def beat(self) -> None:
        """Give a sign of life, where a watchdog waits for one."""
        if self._watched:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon ends as soon as the sites at work are done."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # a service manager that does not listen must not end the daemon
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(), self._address)
