"""The full record of each item of a list, by a request for each."""
