"""Turn SIGTERM and Ctrl-C into a stop at a safe point."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click


@contextmanager
def on_signals(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` at the first SIGTERM or SIGINT of the block; let the second one end the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        # From a thread: the handler may have interrupted the main thread inside stop.wait(), whose lock set() takes.
        threading.Thread(target=told, daemon=True).start()

    def told() -> None:
        stop.set()
        if sys.stderr.isatty():
            click.echo("Stopping: pulls are left, what is being stored is finished. Once more ends at once.", err=True)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
