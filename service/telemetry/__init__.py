"""What operators see of a running server. For the edges only: use cases and storage return what happened."""
