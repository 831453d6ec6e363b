"""The dates of requests, and how a source treats the first and the last of them."""
