"""A headless Chromium that a test drives through its debugging pipe: open a page, ask it, click, take a picture.

The pipe speaks the DevTools protocol: JSON with a zero byte at the end, on the file descriptors 3 and 4.
"""

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

BINARIES = ("chromium", "chromium-browser", "google-chrome")
BOUND_SECONDS = 180.0  # of a wait: far more than a busy machine needs
WINDOW = "1600,2600"  # tall: MLflow draws only the charts that are in the window
# As with a mouse: without one, charts show their buttons all the time
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
OUR_ENDS = 20  # first number of the file descriptors that the test keeps


def binary() -> str | None:
    """The path of Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, BINARIES)), None)


class Browser:
    """One page of a running Chromium."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._unread = b""
        self._count = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []  # what the page reported unasked
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Ask the browser and wait for its answer."""
        self._count += 1
        request: dict[str, object] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        os.write(self._requests, json.dumps(request).encode() + b"\0")
        deadline = time.monotonic() + BOUND_SECONDS
        while True:
            answer = self._read(deadline, method)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self.events.append(answer)

    def _read(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{method}: no answer within {BOUND_SECONDS:g} seconds"
            received = os.read(self._answers, 1 << 16)
            assert received, f"{method}: the browser has ended"
            self._unread += received
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))

    def open(self, address: str) -> None:
        """Go to a page, which loads anew: MLflow's pages share a document, which shows the page before for a while."""
        for url in ("about:blank", address):
            self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Wait until the expression is true; returns its value. It may fail until then: the page is being made."""
        deadline = time.monotonic() + BOUND_SECONDS
        while not (value := self.evaluate(f"(() => {{ try {{ return {script}; }} catch {{ return null; }} }})()")):
            assert time.monotonic() < deadline, f"not within {BOUND_SECONDS:g} seconds: {script}"
            time.sleep(0.5)
        return value

    def click(self, selector: str) -> None:
        """Click at the middle of the first such element, as a mouse does."""
        at = self.wait_for(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); if (!found) return null;"
            " const box = found.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def picture(self, path: Path) -> None:
        """Store what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def running() -> Iterator[Browser]:
    """A Chromium that ends with the block."""
    found = binary()
    assert found is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, OUR_ENDS) for end in (theirs_in, theirs_out, ours_out, ours_in)]
    for end in (theirs_in, ours_out, ours_in, theirs_out):
        os.close(end)

    def take_ends() -> None:
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    with tempfile.TemporaryDirectory(prefix="evolve-browser-", ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        settings = [f"--user-data-dir={profile}", f"--window-size={WINDOW}", f"--blink-settings={MOUSE}"]
        process = subprocess.Popen(
            [found, *flags, *settings],
            preexec_fn=take_ends,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for end in ends[:2]:
                os.close(end)
            yield Browser(ends[2], ends[3])
        finally:
            process.kill()
            process.wait()
            for end in ends[2:]:
                os.close(end)
