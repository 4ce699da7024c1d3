"""The commands of `tidings-server` beside `serve`: one module each, all on top of the rest."""
