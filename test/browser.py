# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A headless browser, driven by ChromeDriver (the W3C's WebDriver protocol)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

#: Reason why there is no browser; empty if there is one.
MISSING = "" if CHROMIUM and DRIVER else "no Chromium with its ChromeDriver is installed"

START_S = 60.0

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Browser:
    """
    A browser with one page.

    :param session: address of the WebDriver session.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._events: list[dict[str, Any]] = []

    def open(self, url: str) -> None:
        """Open a page, without waiting until everything on it is loaded."""
        ask(f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """Run the body of a function in the page, and return its result."""
        return ask(f"{self._session}/execute/sync", {"script": script, "args": []})

    def said(self) -> list[str]:
        """Return the warnings and errors on the console since the last call."""
        entries = ask(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def asked_for(self) -> set[str]:
        """Return the addresses that were requested so far, except those of the browser's own pages."""
        for entry in ask(f"{self._session}/se/log", {"type": "performance"}):
            self._events.append(json.loads(entry["message"])["message"])
        urls = set()
        for event in self._events:
            if event["method"] == "Network.requestWillBeSent":
                urls.add(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                urls.add(event["params"]["url"])
        return {url for url in urls if not url.startswith("chrome")}

    def screenshot(self, path: Path) -> None:
        """Write a screenshot as PNG."""
        path.write_bytes(base64.b64decode(ask(f"{self._session}/screenshot")))


@contextlib.contextmanager
def browsing(folder: Path, *, width: int, height: int, phone: bool = False) -> Iterator[Browser]:
    """
    Run a browser in a with statement.

    :param folder: folder for its profile and its driver's log
    :param width: width of the page in CSS pixels
    :param height: height of the page in CSS pixels
    :param phone: whether it renders pages as a phone does
    """
    options: dict[str, Any] = {
        "binary": CHROMIUM,
        # The browser itself must not make network requests either.
        "args": [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={folder / 'profile'}",
                 "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
    }  # fmt: skip
    if phone:
        options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0}}
    capabilities = {
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        # A page with live pictures never finishes loading.
        "pageLoadStrategy": "eager",
    }
    log = folder / "chromedriver.log"
    with log.open("wb") as stream:
        driver = subprocess.Popen([str(DRIVER), "--port=0"], stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "on port " in log.read_text() and "success" in log.read_text(), START_S, "ChromeDriver")
        port = log.read_text().rpartition("on port ")[2].partition(".")[0]
        address = f"http://127.0.0.1:{port}"
        made = ask(f"{address}/session", {"capabilities": {"alwaysMatch": capabilities}})
        session = f"{address}/session/{made['sessionId']}"
        try:
            yield Browser(session)
        finally:
            ask(session, method="DELETE")
    finally:
        driver.terminate()
        driver.wait()


def ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """Send a WebDriver command and return its value; raise RuntimeError with the driver's reason if it fails."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=START_S) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as problem:
        raise RuntimeError(json.load(problem)["value"]["message"]) from None
