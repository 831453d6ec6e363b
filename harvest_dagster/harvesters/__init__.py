"""The protocols: each harvester requests pages from a source and parses them into records (see `interface`)."""
