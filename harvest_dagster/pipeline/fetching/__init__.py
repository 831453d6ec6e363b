"""The parts of the step fetch.

- `source_session`: the HTTP session and the harvester of one op.
- `window_fetcher`: fetches the pages of a window into the spool.
- `recovery`, `recovery_limits`, `error_policy`: what to request after a list broke.
- `list_progress`, `completeness`, `identifier_index`: what the pages prove.
- `deferral`: waits that are too long for an op.
"""
