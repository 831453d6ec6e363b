"""The state of sources as people read it: lists, calendars, the report. It only reads, and imports no Dagster.

- `source_list`: one line for each source.
- `source_state`: everything about a source: coverage, gaps, failures, active runs, leases, waits, quarantine.
- `source_json`: the same as values for JSON.
- `report`: one HTML page about all sources.
- `calendar`: one state for each day.
"""
