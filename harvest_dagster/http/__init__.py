"""HTTP requests to sources: one session, one request budget per host, one retry policy.

A harvester sends every request through `session.HttpSession`. This package uses no database: the caller passes the
request budget.
"""
