"""A page in a real browser, through its debugging pipe: what it asks the network for, says, measures and draws.

Source: chromedevtools.github.io/devtools-protocol. With --remote-debugging-pipe the browser reads messages from file
descriptor 3 and writes to 4, each ended by a null byte.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WHY_NOT = "chromium is not installed"
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync", "--remote-debugging-pipe")  # fmt: skip
_PATIENCE_S = 90.0
_ABOVE = 10  # descriptors out of the way of 3 and 4


class Tab:
    """One tab."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from, self._read, self._number = to_browser, from_browser, b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """Carry out a command and wait for its answer; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found["result"]
            self.events.append(found)

    def open(self, page: Path, *, width: int, scheme: str = "light", medium: str = "screen") -> None:
        """Show a file at a width, as on a phone."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=width < 600)
        dark = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=medium, features=dark)
        loaded = len(list(self._events("Page.loadEventFired")))
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while len(list(self._events("Page.loadEventFired"))) == loaded:
            self.events.append(self._next())

    def value(self, script: str) -> Any:
        """Of an expression, by the debugger, whose scripts a page's policy does not concern."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [event["params"]["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """What the browser logged of the page: broken policies, errors, and what scripts said."""
        logged = [event["params"]["entry"]["text"] for event in self._events("Log.entryAdded")]
        said = [*self._events("Runtime.consoleAPICalled"), *self._events("Runtime.exceptionThrown")]
        return logged + [json.dumps(event["params"]) for event in said]

    def picture(self) -> bytes:
        """A PNG of what is shown."""
        return base64.b64decode(self.ask("Page.captureScreenshot")["data"])

    def _events(self, method: str) -> Iterator[dict[str, Any]]:
        return (event for event in self.events if event.get("method") == method)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._from, 1 << 16) if ready else b""
            if not part:
                raise TimeoutError("the browser says nothing")
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browser() -> Iterator[Tab]:
    """A browser with a profile of its own; it ends with the block."""
    their_read, to_browser = os.pipe()
    from_browser, their_write = os.pipe()
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, _ABOVE) for end in (their_read, their_write)]
    for end in (their_read, their_write):
        os.close(end)

    def place() -> None:
        for number, end in zip((3, 4), theirs, strict=True):
            os.dup2(end, number)

    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}"], preexec_fn=place, pass_fds=(3, 4),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for end in theirs:
                os.close(end)
            yield Tab(to_browser, from_browser)
        finally:
            process.kill()
            process.wait()
            for end in (to_browser, from_browser):
                os.close(end)
