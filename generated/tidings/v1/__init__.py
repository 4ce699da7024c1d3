"""The contract of Tidings, generated from proto/tidings/v1."""
