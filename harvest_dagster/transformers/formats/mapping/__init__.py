"""The transformer `mapping`: the rules that users write in YAML, and the values that these take out of a record."""
