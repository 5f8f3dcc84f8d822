"""Dumps laid out as the exchange publishes them, and a server of them that can misbehave."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KLINE_HEADER = [
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
]
PRINT_HEADER = ["calc_time", "funding_interval_hours", "last_funding_rate"]
FOLDERS = {"spot": "data/spot", "perp": "data/futures/um", "funding": "data/futures/um"}
Rows = list[list[str]]


def dump_path(leg: str, period: str, symbol: str = "BTCUSDT", interval: str = "1d") -> str:
    """Return where a month (2024-01) or a day (2024-01-31) is published."""
    folder = f"{FOLDERS[leg]}/{'monthly' if len(period) == 7 else 'daily'}"
    if leg == "funding":
        return f"{folder}/fundingRate/{symbol}/{symbol}-fundingRate-{period}.zip"
    return f"{folder}/klines/{symbol}/{interval}/{symbol}-{interval}-{period}.zip"


def times(period: str, step: timedelta) -> Iterator[datetime]:
    """Yield the times of a month or a day."""
    is_month = len(period) == 7
    time_ = start = datetime.fromisoformat(f"{period}-01" if is_month else period).replace(
        tzinfo=UTC
    )
    while (time_.month == start.month) if is_month else (time_.date() == start.date()):
        yield time_
        time_ += step


def bars(leg: str, period: str, minutes: int = 1440, per_second: int = 1_000) -> Rows:
    """Return invented bars; a month's are those of its days."""
    rows = []
    for time_ in times(period, timedelta(minutes=minutes)):
        opened = int(time_.timestamp())
        price = 100 + opened // 60 % 97 + (0.5 if leg == "perp" else 0)
        rows.append(
            [
                str(opened * per_second),
                f"{price:.2f}",
                f"{price + 2:.2f}",
                f"{price - 1:.2f}",
                f"{price + 1:.2f}",
                "2.5",
                str((opened + 60 * minutes) * per_second - 1),
                f"{2.5 * price:.2f}",
                "7",
                "1.0",
                f"{price:.2f}",
                "0",
            ]
        )
    return rows


def prints(period: str) -> Rows:
    """Return the invented funding prints of a month."""
    return [
        [f"{int(time_.timestamp())}000", "8", f"{(time_.day - 15) / 1e5:.8f}"]
        for time_ in times(period, timedelta(hours=8))
    ]


def table(rows: Iterable[list[str]], header: list[str] | None = None) -> str:
    """Return a dump's CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*([header] if header else []), *rows])
    return text.getvalue()


def zipped(**members: str | bytes) -> bytes:
    """Return a zip; the members are named by their name without .csv."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # always the same time, so that the same dump has the same SHA-256
            archive.writestr(zipfile.ZipInfo(f"{name}.csv"), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


class DumpServer(ThreadingHTTPServer):
    """A folder of dumps, served on the loopback; faults are what goes wrong with a path."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, root: Path) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.delay_s = 0.0
        self.faults: dict[str, Iterator[Fault | None]] = {}
        self.asked: list[tuple[str, float]] = []
        self.at_a_time = self.most_at_a_time = 0
        self.sent_bytes = 0
        self.lock = threading.Lock()
        self.released = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that are killed close connections."""

    def misbehave(self, path: str, *faults: Fault | None) -> None:
        """Answer the next requests of a path with faults, the ones after as usual."""
        self.faults[path] = iter(faults)

    def misbehave_always(self, path: str, fault: Fault) -> None:
        """Answer every request of a path with a fault."""
        self.faults[path] = itertools.repeat(fault)

    def asked_paths(self) -> list[str]:
        """Return the paths that were asked for since the last call of this."""
        with self.lock:
            paths = [path for path, _ in self.asked]
            self.asked.clear()
        return paths

    def pauses(self, path: str) -> list[float]:
        """Return the seconds between the requests of a path."""
        moments = [moment for asked, moment in self.asked if asked == path]
        return [later - earlier for earlier, later in itertools.pairwise(moments)]

    def publish(
        self,
        leg: str,
        period: str,
        content: bytes | None = None,
        *,
        symbol: str = "BTCUSDT",
        interval: str = "1d",
    ) -> str:
        """Publish a month or a day with its checksum, invented where no content is given.

        The layouts differ as the exchange's do: spot has no header, and µs from 2024-03 on.
        """
        if content is None:
            minutes = {"1m": 1, "5m": 5, "1d": 1440}[interval]
            if leg == "spot":
                per_second = 1_000_000 if period >= "2024-03" else 1_000
                content = zipped(dump=table(bars(leg, period, minutes, per_second)))
            elif leg == "perp":
                content = zipped(dump=table(bars(leg, period, minutes), KLINE_HEADER))
            else:
                content = zipped(dump=table(prints(period), PRINT_HEADER))
        path = dump_path(leg, period, symbol, interval)
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        (self.root / f"{path}.CHECKSUM").write_text(f"{checksum}  {file.name}\n")
        return path

    def publish_months(self, *months: str, symbol: str = "BTCUSDT") -> None:
        """Publish months of every leg."""
        for month in months:
            for leg in FOLDERS:
                self.publish(leg, month, symbol=symbol)


@contextmanager
def serving(root: Path) -> Iterator[DumpServer]:
    """Serve a folder of dumps within a block."""
    root.mkdir(exist_ok=True)
    server = DumpServer(root)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers a request with a file, with 404, or with the fault that is due."""

    server: DumpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        server, path = self.server, self.path.lstrip("/")
        with server.lock:
            server.asked.append((path, time.monotonic()))
            server.at_a_time += 1
            server.most_at_a_time = max(server.most_at_a_time, server.at_a_time)
            fault = next(server.faults.get(path, iter(())), None)
        try:
            time.sleep(server.delay_s)
            file = server.root / path
            content = file.read_bytes() if file.is_file() else None
            if fault:
                fault(self, content or b"")
            elif content is None:
                self.answer(404, b"no such key")
            else:
                self.answer(200, content)
        finally:
            with server.lock:
                server.at_a_time -= 1

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send a complete answer; headers are named with _ for -."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


Fault = Callable[[Handler, bytes], None]


def status(code: int, **headers: str) -> Fault:
    """Answer with a status and nothing of the file."""
    return lambda handler, _: handler.answer(code, b"sorry", **headers)


def truncated(handler: Handler, content: bytes) -> None:
    """Promise the whole file, send half of it, and hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def reset(handler: Handler, _: bytes) -> None:
    """Reset the connection instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang(handler: Handler, content: bytes) -> None:
    """Answer nothing until the test releases it, or for longer than any test waits."""
    handler.server.released.wait(60)
    handler.answer(200, content)


def hang_within(handler: Handler, content: bytes) -> None:
    """Send the half of a file, and nothing more."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.server.released.wait(60)
    handler.close_connection = True


def drip(handler: Handler, content: bytes) -> None:
    """Send a file in ten parts with a pause between them."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    size = -(-len(content) // 10)
    for start in range(0, len(content), size):
        time.sleep(0.04)
        handler.wfile.write(content[start : start + size])


def raw(answer: bytes, body: bytes | None = None) -> Fault:
    """Answer with bytes as they are, then with a body (the file's where none is given)."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.wfile.write(answer + (content if body is None else body))
        handler.close_connection = True

    return fault


def endless(head: bytes, part: bytes, pause_s: float = 0) -> Fault:
    """Answer with a head, and the same part again and again until nobody reads it."""

    def fault(handler: Handler, _: bytes) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        while not handler.server.released.wait(pause_s):
            handler.wfile.write(part)
            handler.server.sent_bytes += len(part)

    return fault
