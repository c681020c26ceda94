"""Hand an alert to a program of the administrator's."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sync.alerts import wording
from sync.ports.alerts import Alert, AlertFailed


class CommandHook:
    """Start a program without a shell and give it the alert as JSON on stdin; it must end with 0 in time."""

    name = "command"

    def __init__(self, argv: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout: float) -> None:
        """Take the program's words; it starts in ``folder`` and sees ``environ`` only, which holds no secret."""
        self._argv = list(argv)
        if "/" in self._argv[0]:
            self._argv[0] = str(folder / self._argv[0])
        self._folder = folder
        self._environ = dict(environ)
        self._timeout = timeout

    def send(self, alert: Alert) -> None:
        """Start the program and wait for its end; whatever it started is killed with it at the time-out."""
        text = json.dumps(wording.document(alert), ensure_ascii=False) + "\n"
        try:
            # S603: the administrator's own words, started without a shell
            process = subprocess.Popen(  # noqa: S603
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise AlertFailed(f"the program cannot be started ({error.strerror}); correct alerts.command") from None
        try:
            # a program that does not read its stdin is no failure: communicate() passes over a broken pipe
            process.communicate(text.encode(), timeout=self._timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise AlertFailed(f"the program did not end within {self._timeout:g} seconds and was killed") from None
        if process.returncode:
            raise AlertFailed(f"the program ended with {process.returncode}")
