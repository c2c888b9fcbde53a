"""Chromium without a window, driven through pipes by its DevTools protocol: real clicks and keys, all that it reports.

https://chromedevtools.github.io/devtools-protocol/: messages are JSON, ended by a zero byte; Chromium reads them from
descriptor 3 and writes to 4 (--remote-debugging-pipe). So no port, and no package for it.
"""

import base64
import json
import os
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PROGRAM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PATIENCE_SECONDS = 180.0  # with one answer, or with a condition: two busy cores
KEYS = {"ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Enter": 13, "Escape": 27, "Tab": 9}
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-extensions --hide-scrollbars --force-device-scale-factor=1 --remote-debugging-pipe "
    # As with a mouse: without one, MLflow's charts show their buttons all the time
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
)


class Browser:
    """One page. requested: every address it asked for. complaints: errors and warnings of its console."""

    def __init__(self, program: str, profile: Path, *, width: int = 1500, height: int = 950) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        (read_end, self._to), (self._from, write_end) = os.pipe(), os.pipe()
        words = [
            program,
            *FLAGS.split(),
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {shlex.join(words)} 3<&{read_end} 4>&{write_end}"],
            pass_fds=(read_end, write_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        self._rest, self._number, self._session = b"", 0, ""

    def __enter__(self) -> "Browser":
        targets = self.ask("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """The answer to a message."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def value(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def open(self, address: str, until: str = "true") -> None:
        """Go to a page, which loads anew, and wait until an expression in it is true.

        MLflow's pages share a document, which goes on to show the page before for a while.
        """
        for url in ("about:blank", address):
            self.ask("Page.navigate", url=url)
        self.wait(until)

    def wait(self, expression: str) -> Any:
        """Wait until an expression in the page is true, and return its value. It may fail while the page is made."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        kept = f"(() => {{ try {{ const kept = {expression}; return kept ? [kept] : []; }} catch {{ return []; }} }})()"
        while not (value := self.value(kept)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} did not become true; complaints: {self.complaints}")
            time.sleep(0.1)
        return value[0]

    def click(self, selector: str) -> None:
        """Wait for an element, scroll it into view and click on its middle with the mouse."""
        box = self.wait(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView("
            "{block: 'center', inline: 'center', behavior: 'instant'}); const box = one.getBoundingClientRect(); "
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if (kind, key) == ("keyDown", "Enter") else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **text)

    def be_dark(self, dark: bool = True) -> None:
        """Prefer dark colours, as a person may."""
        value = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def picture(self, path: Path) -> None:
        """Write what is on the screen as PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def _next(self) -> dict[str, Any]:
        """The next message; events are kept."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b"\0" not in self._rest:
            if not select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium said nothing for {PATIENCE_SECONDS:g} seconds")
            piece = os.read(self._from, 1 << 20)
            if not piece:
                raise RuntimeError(f"Chromium ended with exit code {self._process.wait()}")
            self._rest += piece
        raw, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        return message


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program; a test that asks for it is skipped, before anything else is made for it, where there is none."""
    if PROGRAM is None:
        pytest.skip("no Chromium on this machine (Debian's package: chromium)")
    return PROGRAM


@pytest.fixture
def start_browser(chromium: str, tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Starts a Chromium, given the size of its window, which ends with the test."""
    with ExitStack() as stack:
        yield lambda **window: stack.enter_context(Browser(chromium, tmp_path / "profile", **window))
