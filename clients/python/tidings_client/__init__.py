"""Publish to Tidings over gRPC, and verify the webhooks that it sends."""

from tidings_client.client import AsyncClient, Client, connect, connect_async
from tidings_client.webhooks import VerificationError, Verified, verify

__all__ = ["AsyncClient", "Client", "VerificationError", "Verified", "connect", "connect_async", "verify"]
