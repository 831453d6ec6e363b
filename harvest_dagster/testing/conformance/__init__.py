"""The conformance suite: test any harvester against every behaviour of the simulator, through the real pipeline.

    python -m harvest_dagster.conformance --harvester oai

`harvester_under_test` describes the harvester. `trial` runs one harvest. `results` compares it with the contract of the
behaviour. `suite` runs all trials, and `report` formats their results. The simulator's registry defines the behaviours
and the contract of each.
"""
