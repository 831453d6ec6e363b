"""OAI-PMH 2.0."""
