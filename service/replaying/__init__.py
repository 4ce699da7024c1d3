"""Replays, sending past events (again) to one subscription: the use cases, and which events a replay sends."""
