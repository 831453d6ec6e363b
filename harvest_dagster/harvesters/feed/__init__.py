"""Feeds: Atom, RSS 2.0 and RSS 1.0, with the pages and archives of RFC 5005."""
