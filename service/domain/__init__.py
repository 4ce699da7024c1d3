"""The rules of sending webhooks: pure, without I/O, clock or dice of their own."""
