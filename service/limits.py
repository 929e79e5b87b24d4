"""How much of anything one client may ask for.

One frozen value, handed to the application and to the server; every limit has a default that suits a service beside a
Prometheus, and every one can be set by keyword.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may send, hold open and wait for.

    Attributes
    ----------
    body_bytes
        Largest request body, compressed and decompressed alike.
    depth
        Deepest nesting of a JSON body.
    number_digits
        Most characters of one JSON number.
    parsed_bytes
        Most memory that a JSON body may take once it is parsed, estimated from its brackets and commas: ``[{},{},…`` takes thirty
        times its length, and compresses to nothing.
    bodies_bytes
        Most memory that the large bodies of all requests may take at once; the next one is answered 503.
    header_seconds
        From the first byte of a request (or of a TLS handshake) to the end of its headers.
    request_seconds
        From the end of the headers to the answer, the body's arrival included; open streams excepted.
    keepalive_seconds
        How long an idle connection is kept.
    connections
        Open connections; the next one is answered 503.
    rate_per_second
        Requests a second of one address; the next one is answered 429.
    logins
        Passwords that may wait to be checked at once; the next one is answered 429.
    logins_per_address
        The same, of one address.
    streams
        Open SSE and WebSocket clients; the next one is answered 503.
    stream_queue
        Messages that wait for one client; more drop the oldest.
    stream_stall_seconds
        How long a client may take nothing before it is disconnected.
    stream_heartbeat_seconds
        A sign of life on a quiet stream.
    frame_bytes
        Largest WebSocket message from a client.
    shutdown_seconds
        From the signal to the end of the clean-up; the process ends within a second more.
    """

    body_bytes: int = 1024 * 1024
    depth: int = 32
    number_digits: int = 64
    parsed_bytes: int = 256 * 1024 * 1024
    bodies_bytes: int = 320 * 1024 * 1024
    header_seconds: float = 10.0
    request_seconds: float = 30.0
    keepalive_seconds: float = 75.0
    connections: int = 512
    rate_per_second: int = 1000
    logins: int = 16
    logins_per_address: int = 8
    streams: int = 1000
    stream_queue: int = 256
    stream_stall_seconds: float = 30.0
    stream_heartbeat_seconds: float = 15.0
    frame_bytes: int = 64 * 1024
    shutdown_seconds: float = 4.0
