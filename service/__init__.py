"""Tidings: a gRPC microservice that sends webhooks."""
