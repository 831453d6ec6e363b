"""The outputs that the ops of a run pass to each other: one JSON file each.

JSON and not pickle: who can write to a shared spool cannot execute code in the process that reads it. The values
are small and plain: windows, ids of logs, counts by day.
"""

from __future__ import annotations

import json
from typing import Any

from harvest_dagster.errors import SpoolError
from harvest_dagster.spool.filesystem import SpoolFiles

DIRECTORY = "_runs"  # no label begins with an underscore
_REQUIRED = object()


class StepOutputs:
    """The outputs of the ops of one run, or of one source in a run. `Spool.step_outputs` creates it.

    Attributes:
        path: the name of their directory in the spool.
    """

    def __init__(self, files: SpoolFiles, path: str) -> None:
        self._files = files
        self.path = path

    def write(self, name: str, value: Any) -> None:
        """Write an output. An output that an earlier attempt of the op has written is replaced.

        Raises:
            SpoolError: it cannot be written, or it is no plain value.
            SpoolUnreachable: the object store cannot be reached now.
        """
        try:
            # With \u escapes, also a text with lone surrogates is valid JSON.
            data = json.dumps(value, allow_nan=False).encode("ascii")
        except (TypeError, ValueError) as error:
            message = f"the output {name} of an op is no plain value: {error}. This is a bug."
            raise SpoolError(message) from error
        self._files.write(self._file(name), data)

    def read(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return an output; the default, if one is given, if the output does not exist.

        Raises:
            SpoolError: it does not exist, or it cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """
        try:
            return json.loads(self._files.read(self._file(name)))
        except FileNotFoundError as error:
            if default is not _REQUIRED:
                return default
            message = (
                f"the output {self._place(name)} of an op is missing. All machines must have the same HARVEST_SPOOL. "
                "The outputs of a run are deleted when it, or a run that executes it again, has succeeded. "
                "Start a new run."
            )
            raise SpoolError(message) from error
        except ValueError as error:
            message = f"the output {self._place(name)} of an op cannot be read: {error}. Start a new run."
            raise SpoolError(message) from error

    def clear(self) -> None:
        """Delete these outputs.

        Raises:
            SpoolError: they cannot be deleted.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self._files.remove(self.path)

    def _file(self, name: str) -> str:
        return f"{self.path}/{name}.json"

    def _place(self, name: str) -> str:
        return f"{self._files.place}/{self._file(name)}"
