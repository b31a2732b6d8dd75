"""Options that both ends of a connection share, so that they fit each other.

A server that gets pings more often than it permits closes the connection ("too many pings"); client and server options
therefore live in one place.
"""

from typing import Final

import grpc

Options = list[tuple[str, int]]

MESSAGE_LIMIT_BYTES: Final = 16 * 2**20
"""Largest message in either direction."""
METADATA_LIMIT_BYTES: Final = 32 * 2**10
"""Largest set of headers or trailers: a rich status with many field violations fits."""

CLIENT_PING_SECONDS: Final = 30
SERVER_PING_SECONDS: Final = 60
PING_TIMEOUT_SECONDS: Final = 10
PERMITTED_PING_SECONDS: Final = 5
"""Servers tolerate clients that ping this often, so that clients other than ours have room."""
RECONNECT_BACKOFF_SECONDS: Final = 1


def client_options() -> Options:
    """Return the options of a channel to a KTRDR server."""
    return [
        ("grpc.keepalive_time_ms", CLIENT_PING_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # By default a channel waits up to 120 s before it tries again, and so would whoever polls through it.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_BACKOFF_SECONDS * 1000),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_BACKOFF_SECONDS * 1000),
        # Channels with equal options otherwise share one connection, and the backoff of each other's failures.
        ("grpc.use_local_subchannel_pool", 1),
        # Hosts are neighbours: a proxy that is configured for the web cannot reach them.
        ("grpc.enable_http_proxy", 0),
        *_limits(),
    ]


def server_options() -> Options:
    """Return the options of a KTRDR server."""
    return [
        # Without this a second server binds the same port silently and takes half of the connections.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", SERVER_PING_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", PERMITTED_PING_SECONDS * 1000),
        ("grpc.http2.max_pings_without_data", 0),
        *_limits(),
    ]


def open_channel(address: str) -> grpc.aio.Channel:
    """Open a channel to the server at `address` ("HOST:PORT"). It belongs to the running loop; close it when done."""
    return grpc.aio.insecure_channel(address, options=client_options())


def _limits() -> Options:
    return [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_metadata_size", METADATA_LIMIT_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_LIMIT_BYTES),
    ]
