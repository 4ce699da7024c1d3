"""Tidings: a gRPC microservice that sends webhooks."""

import os

# Where it is loaded, gRPC's core begins to write lines of its own form to stderr: one for each handshake that fails and
# each message it cannot read, as many as strangers like. What matters of them is said by the calls' own lines.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
