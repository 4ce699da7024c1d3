"""Delivering notifications over HTTP: when, how, and what came of it."""
