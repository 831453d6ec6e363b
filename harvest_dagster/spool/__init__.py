"""Where pages wait between ops: a folder, or a bucket through fsspec.

For each attempt at a window a directory: `pages/` as they came, compressed, each with its entry of the
manifest; `records/`, what split made of them; `end.json` once all of the window was asked for. The manifest is
the checkpoint: a page counts as fetched when its entry stands, which is written after the page.

Everything in here can be thrown away: it is then fetched again.
"""

from harvest_dagster.spool.attempt import AttemptSpool
from harvest_dagster.spool.manifest import End, Entry, Stretch, Taken, fingerprints
from harvest_dagster.spool.place import Spool, default_url

__all__ = ["AttemptSpool", "End", "Entry", "Spool", "Stretch", "Taken", "default_url", "fingerprints"]
