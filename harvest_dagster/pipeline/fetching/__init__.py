"""The parts of the step fetch.

- `source_session`: the HTTP session and the client of one op.
- `window_fetcher`: fetches the pages of a window into the spool.
- `recovery`, `recovery_limits`, `error_policy`: what to request after a list broke.
- `list_progress`, `completeness`, `identifier_index`: what the pages prove.
- `empty_lists`: whether an empty list is believed. `interrupted_list`: whether a list has changed since a pause.
- `source_observations`, `source_report`: what harvests learn about a source, and the log line about it.
- `deferral`: waits that are too long for an op.
"""
