"""The run config: what people may ask of a harvest, and how that reaches the ops.

Checked before anything is touched: names that are unknown are refused, and so are values that make no sense.
"""

from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from harvest_dagster.pipeline.harvest import Parameters
from harvest_dagster.windows import parse_instant


class _Checked(dg.Config):
    """A config whose problems are told in the way of Dagster's own: one line each, with the name."""

    model_config = ConfigDict(extra="forbid")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            lines = "".join(f"\n    {_problem(detail)}" for detail in error.errors())
        else:
            return
        # A config mapping that raises anything else is reported as a bug, the reason 40 lines above.
        raise dg.DagsterInvalidConfigError(f"Error in config:{lines}", [], given)  # type: ignore[no-untyped-call]


class HarvestParameters(_Checked):
    """The parameters of a harvest; all of them may be left out."""

    limit: int | None = Field(
        default=None, ge=1, description="Collect at most so many records; such a harvest covers nothing."
    )
    superfluous: bool = Field(
        default=False, description="Do again what has succeeded: covered windows, existing ingest logs."
    )
    transform: bool = Field(default=True, description="Launch transforms for what is collected.")
    ignore_disabled: bool = Field(default=False, description="Run although the IngestConfig is disabled.")
    force: bool = Field(
        default=False,
        description="Run although disabled, or refused after repeated failures. Never breaks a lock.",
    )
    no_split: bool = Field(default=False, description="One window, however long.")
    optimize: bool = Field(default=True, description="Leave out what succeeded before.")
    start_date: str | None = Field(
        default=None,
        description="Start of the range, included: ISO 8601 date or instant, UTC where no zone is given. "
        "On an asset it may only narrow the partitions chosen.",
    )
    end_date: str | None = Field(default=None, description="End of the range, excluded; as start_date.")

    @field_validator("start_date", "end_date")
    @classmethod
    def _is_instant(cls, value: str | None) -> str | None:
        if value is not None:
            parse_instant(value)
        return value

    @model_validator(mode="after")
    def _ends_after_start(self) -> "HarvestParameters":
        if self.start and self.end and self.end <= self.start:
            message = f"end_date must be after start_date, not {self.end_date} after {self.start_date}"
            raise ValueError(message)
        return self

    @property
    def start(self) -> datetime | None:
        """`start_date` as an instant."""
        return parse_instant(self.start_date) if self.start_date else None

    @property
    def end(self) -> datetime | None:
        """`end_date` as an instant."""
        return parse_instant(self.end_date) if self.end_date else None

    @property
    def parameters(self) -> Parameters:
        """For the pipeline."""
        return Parameters(
            limit=self.limit,
            superfluous=self.superfluous,
            transform=self.transform,
            ignore_disabled=self.ignore_disabled,
            force=self.force,
            no_split=self.no_split,
            optimize=self.optimize,
        )


class AdHocParameters(HarvestParameters):
    """The parameters of the job `harvest`: any source, any two instants."""

    ingest_config: str | None = Field(default=None, description="Label of the IngestConfig to harvest.")
    ingest_config_id: int | None = Field(
        default=None, description="Its primary key in the table ingest_config, in place of the label."
    )

    @model_validator(mode="after")
    def _says_what_and_when(self) -> "AdHocParameters":
        if (self.ingest_config is None) == (self.ingest_config_id is None):
            message = "give either ingest_config, a label, or ingest_config_id, a primary key"
            raise ValueError(message)
        if self.start_date is None or self.end_date is None:
            message = "give start_date and end_date: the job harvests between any two instants"
            raise ValueError(message)
        return self


class TransformParameters(_Checked):
    """The parameters of a transform asset."""

    superfluous: bool = Field(
        default=False, description="Transform again what has succeeded or failed, not only what is pending."
    )


class StepConfig(HarvestParameters):
    """What every op of a harvest is given; made by config mappings, never by people."""

    ingest_config: str | None = None
    ingest_config_id: int | None = None


def _problem(detail: ErrorDetails) -> str:
    """`limit: must be greater than or equal to 1, not 0`."""
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "value_error":
        said = str(detail["ctx"]["error"])
    else:
        said = f"{detail['msg'].replace('Input should', 'must')}, not {detail['input']!r}"
    return f"{place}: {said}" if place else said


def for_every_op(names: list[str], parameters: HarvestParameters, **more: Any) -> dict[str, Any]:
    """The same config for each op."""
    given = {name: value for name, value in parameters.model_dump().items() if value is not None}
    return {name: {"config": {**given, **more}} for name in names}
