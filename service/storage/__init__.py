"""The only place that knows SQL and database drivers."""
