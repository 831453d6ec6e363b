"""Formats: one raw datum in, one normalized document out. A module each; `interface` says what they owe."""
