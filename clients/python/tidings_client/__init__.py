"""Publish to Tidings over gRPC, and verify the webhooks that it sends."""

from tidings_client.client import AsyncClient, Client, ConnectOptions, connect, connect_async
from tidings_client.webhooks import VerificationError, Verified, verify

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectOptions",
    "VerificationError",
    "Verified",
    "connect",
    "connect_async",
    "verify",
]
