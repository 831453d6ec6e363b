"""Behaviours of HTTP and below it: broken transfers, error statuses, rate limits, redirects and cookies."""
