"""Sitemaps: the pages that a website lists, with the JSON-LD that is embedded in them."""
