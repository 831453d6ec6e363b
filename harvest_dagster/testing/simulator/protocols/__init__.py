"""The protocols of the simulator: OAI-PMH, a JSON API, and those of plug-ins, with the same records."""
