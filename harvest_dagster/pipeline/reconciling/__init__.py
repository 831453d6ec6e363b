"""The sweep: compares all identifiers of a source with the stored ones, and harvests what is missing."""
