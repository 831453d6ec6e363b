"""Real processes that are killed, frozen, cancelled, or lose their disk, their database or their turn."""
