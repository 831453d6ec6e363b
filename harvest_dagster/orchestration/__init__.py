"""Everything that imports Dagster, except for `definitions` and `harvest run`: a module or package for each concept."""
