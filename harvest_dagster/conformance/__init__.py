"""The conformance suite: any harvester against every behaviour of the simulator, through the real pipeline.

    python -m harvest_dagster.conformance --harvester oai

Here: what is tested (`subject`), one harvest of one hostile source (`trial`), what to think of it (`verdicts`), and
how people read that (`report`). What sources do, and what a harvester owes them, is the simulator's registry.
"""
