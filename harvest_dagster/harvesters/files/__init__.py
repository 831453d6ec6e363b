"""Files: JSON Lines, JSON, CSV, XML and OAI-PMH dumps, from a disk, over HTTP or from a bucket."""
