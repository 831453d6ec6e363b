"""The code location: everything in the folder defs."""

from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    """Return all definitions of the project."""
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
