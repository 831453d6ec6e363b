"""Tests with real processes that are killed, frozen or cancelled, or that lose their disk, database or lease."""
