"""`python -m profileapp.playback ADDRESS PORT RTSP_PORT STREAMS`: serves until SIGTERM.

STREAMS is JSON: a list of `{"name": …, "path": …, "rate": …}`. SIGUSR1 signals that the app has started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from profileapp.client import flush
from profileapp.playback.connection import Connection
from profileapp.playback.player import Clock, FileCache, Player
from profileapp.playback.recordings import RecordingsError, find_recordings
from profileapp.playback.rtsp import RtspConnection
from profileapp.playback.server import Playback

REPORT_INTERVAL_S = 0.5


async def serve(address: str, port: int, rtsp_port: int, players: dict[str, Player], clock: Clock) -> None:
    """Serves until SIGTERM or SIGINT arrives."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, clock.begin)
    connections: set[Connection] = set()
    rtsp_connections: set[Connection] = set()
    servers = [await loop.create_server(lambda: Playback(players, connections), address, port)]
    try:
        servers.append(await loop.create_server(lambda: RtspConnection(players, rtsp_connections), address, rtsp_port))
    except OSError as error:
        # Happens only to a process on the host; most apps do not need RTSP.
        print(f"no RTSP: port {rtsp_port} of {address} is unavailable: {os.strerror(error.errno or 0)}", flush=True)
    print(f"serves {', '.join(players)} on port {port}", flush=True)
    while not stopped.is_set():
        for player in players.values():
            player.report()
        try:
            await asyncio.wait_for(stopped.wait(), REPORT_INTERVAL_S)
        except asyncio.TimeoutError:
            continue
    for server in servers:
        server.close()
    for player in players.values():
        player.report()
    flush()


def main(argv: list[str]) -> int:
    """Runs the program. Returns the exit code."""
    address, port, rtsp_port, streams = argv
    clock, cache = Clock(), FileCache()
    players: dict[str, Player] = {}
    for stream in json.loads(streams):
        try:
            recordings = find_recordings(stream["name"], Path(stream["path"]), float(stream["rate"]))
            players[recordings.name] = player = Player(recordings, clock, cache)
        except (RecordingsError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
        print(f"{player.name}: {player.count} frames or files at {recordings.address}", flush=True)
    try:
        asyncio.run(serve(address, int(port), int(rtsp_port), players, clock))
    except OSError as error:
        print(f"port {port} of {address} is unavailable: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
