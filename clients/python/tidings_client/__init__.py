"""Publish to Tidings over gRPC, and verify the webhooks that it sends."""
