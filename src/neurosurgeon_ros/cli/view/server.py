# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Web server that serves the page from its own thread until it is closed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bokeh.application.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.models.widgets import Div
from bokeh.resources import Resources
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from jinja2 import Template
from numpy.typing import NDArray
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from neurosurgeon_ros.cli.view.charts import Charts
from neurosurgeon_ros.cli.view.history import History
from neurosurgeon_ros.cli.view.page import TILE_STYLE, template, tiles
from neurosurgeon_ros.cli.view.pictures import Pictures

#: Milliseconds between two checks for new frames, in each browser.
PERIOD_MS = 400

#: Bytes of pictures that the system may buffer for a browser. A slow browser should see fewer pictures, not old ones.
SEND_BUFFER = 64 * 1024

#: Seconds that browsers have to receive the end of the run.
LAST_WORDS_S = 0.8

_BOUNDARY = b"\r\n--frame\r\n"


class View:
    """
    The page, from its creation to :meth:`close`.

    :param history: data that the charts show.
    :param listening: non-blocking socket that browsers connect to; its owner closes it.
    :param log: log file of the web server.
    """

    def __init__(self, history: History, *, listening: socket.socket, log: Path) -> None:
        self._history = history
        self._socket = listening
        self._address, self._port = listening.getsockname()
        self._log = logging.FileHandler(log, delay=True)
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._pictures: Pictures | None = None
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="view", daemon=True)
        self._thread.start()
        ready.result()

    @property
    def url(self) -> str:
        """Return the URL of the page."""
        return f"http://{self._address}:{self._port}/"

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show the newest picture to the browsers: BGR, uint8, shape (h, w, 3)."""
        if self._pictures is not None:
            self._pictures.put(picture)

    def close(self) -> None:
        """Tell the browsers that the run has ended, stop the server, and join the thread. Safe to call again."""
        self._history.end()
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self, ready: concurrent.futures.Future[None]) -> None:
        for name in ("bokeh", "tornado", "asyncio"):
            logger = logging.getLogger(name)
            logger.addHandler(self._log)
            logger.propagate = False
        try:
            asyncio.run(self._serve(ready))
        except Exception as problem:
            if ready.done():
                logging.getLogger("bokeh").exception("the view has ended")
            else:
                ready.set_exception(problem)
        finally:
            for name in ("bokeh", "tornado", "asyncio"):
                logging.getLogger(name).removeHandler(self._log)
            self._log.close()

    async def _serve(self, ready: concurrent.futures.Future[None]) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        pictures = self._pictures = Pictures()
        answering: set[asyncio.Task[object]] = set()
        hosts = [f"{self._address}:{self._port}", f"localhost:{self._port}"]
        application = _Application(
            {"/": Application(FunctionHandler(self._make_document))},
            extra_websocket_origins=hosts,
            extra_patterns=[("/video", _Video, {"pictures": pictures, "answering": answering, "hosts": hosts})],
        )
        http = HTTPServer(application)
        http.add_socket(self._socket)
        server = BaseServer(IOLoop.current(), application, http)
        server.start()
        ready.set_result(None)
        await self._ending.wait()
        if any(session.connection_count for session in server.get_sessions()):
            await asyncio.sleep(LAST_WORDS_S)
        await pictures.close()
        if answering:
            await asyncio.wait(answering, timeout=LAST_WORDS_S)
        server.stop()
        await http.close_all_connections()

    def _make_document(self, document: Document) -> None:
        """Make the charts for a new browser, and keep them up to date."""
        charts = Charts()
        # It has the page's width, but its content needs its own style.
        figures = Div(name="tiles", stylesheets=[TILE_STYLE], sizing_mode="stretch_width", margin=0)

        def update() -> None:
            charts.show(self._history.after(charts.last))
            figures.text = tiles(self._history.standing)

        update()
        for root in (figures, charts.delay, charts.points, charts.prediction, charts.uplink):
            document.add_root(root)
        document.title = f"neurosurgeon: {self._history.standing.title}"
        document.template = Template(template())
        # After the run there is no server to reconnect to.
        document.config.reconnect_session = False
        document.config.notify_connection_status = False
        document.add_periodic_callback(update, PERIOD_MS)


class _Application(BokehTornado):
    """Serves the parts of Bokeh's library that the page needs."""

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        resources = super().resources(absolute_url)
        resources.components = ["bokeh", "bokeh-widgets"]
        return resources


class _Video(RequestHandler):
    """Streams pictures in one response, as an `img` shows them. It makes the next picture when this one is sent."""

    def initialize(self, pictures: Pictures, answering: set[asyncio.Task[object]], hosts: Sequence[str]) -> None:
        self._pictures, self._answering, self._hosts = pictures, answering, hosts
        self._task: asyncio.Task[object] | None = None

    async def get(self) -> None:
        # Reject other host names that resolve to this server: scripts of such a site could read the response.
        if self.request.host not in self._hosts:
            raise HTTPError(403)
        self._task = asyncio.current_task()
        assert self._task is not None
        self._answering.add(self._task)
        self._task.add_done_callback(self._answering.discard)
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        connection.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.set_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.set_header("Cache-Control", "no-store")
        self.write(_BOUNDARY)
        with contextlib.suppress(StreamClosedError, asyncio.CancelledError):
            await self.flush()
            async with contextlib.aclosing(self._pictures.frames()) as frames:
                async for jpeg in frames:
                    # A browser shows a picture when it receives the boundary after it.
                    self.write(f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode())
                    self.write(jpeg + _BOUNDARY)
                    await self.flush()

    def on_connection_close(self) -> None:
        if self._task is not None:
            self._task.cancel()
