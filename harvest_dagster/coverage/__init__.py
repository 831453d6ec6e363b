"""Coverage: which time of a source is harvested, which is missing, and which is due.

The rule that everything here applies: a harvest log covers its window if a fetch attempt whose list began at least
`settle` after the end of what was asked succeeded without a `limit`. A later failure does not take that coverage away.
Data that a later attempt stored and did not launch does: no list that began earlier covers that time any more. Coverage
is a set of intervals, never a watermark, which would hide the gaps behind it (docs/failures.md#watermark-hides-gap).

The rule has one implementation, `storage.harvest_log.coverage_rule`, because SQL applies it as well:
`storage.harvest_log.overview` reads all sources at once. The modules here only derive values from it:

- `scopes`: which logs count for a source today.
- `source_overview`: coverage and gaps of all sources at one instant.
- `intervals`: the state of each moment: complete, unverified, failed or missing.
- `day_range`: arithmetic on ranges of days.
- `day_status`: the state of each day, for the asset check `complete`.
- `source_status`: the gaps of a source, for the asset check `up_to_date` and the sensor `repair_gaps`.
- `due_days`: what a schedule requests now.
- `transform_batches`: which pending days one run transforms.
"""
