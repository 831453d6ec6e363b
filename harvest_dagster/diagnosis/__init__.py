"""Requests to a source outside of a harvest: nothing here stores a record or writes a harvest log.

`connection` opens the same client that a harvest uses, within the same request budget. `repository` shows what an
OAI-PMH repository reports about itself, `records` what a harvest would collect. `doctor` compares a source with its
config, `new_source` writes the config of a source, and `backfill` estimates what a range will cost.
"""
