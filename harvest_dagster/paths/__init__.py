"""The paths that users write into YAML, for JSON and for XML. Harvesters and transformers have the same syntax."""
