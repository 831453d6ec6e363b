"""The run config: the parameters of a harvest and of a transform, and how they reach the ops.

Dagster validates the run config before the run starts. Unknown names and invalid values are errors.
"""

from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from harvest_dagster.pipeline.context import Parameters
from harvest_dagster.windows import parse_instant


class _StrictConfig(dg.Config):
    """A config that reports errors as Dagster does: one line for each parameter, with its name."""

    model_config = ConfigDict(extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            lines = "".join(f"\n    {_problem(detail)}" for detail in error.errors())
        else:
            return
        # If a config mapping raises any other class, Dagster reports a bug, and the reason is 40 lines above.
        raise dg.DagsterInvalidConfigError(f"Error in config:{lines}", [], values)  # type: ignore[no-untyped-call]


class HarvestParameters(_StrictConfig):
    """The parameters of a harvest. All of them are optional."""

    limit: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of records to collect. Such a harvest never counts as coverage.",
    )
    superfluous: bool = Field(
        default=False, description="Repeat what has succeeded: covered windows, existing ingest logs."
    )
    transform: bool = Field(default=True, description="Launch transforms for the collected data.")
    ignore_disabled: bool = Field(default=False, description="Run even if the IngestConfig is disabled.")
    force: bool = Field(
        default=False,
        description="Run even if the IngestConfig is disabled or refused after failures. Never breaks a lock.",
    )
    no_split: bool = Field(default=False, description="Use one window, regardless of its length.")
    optimize: bool = Field(default=True, description="Skip what succeeded before.")
    start_date: str | None = Field(
        default=None,
        description="Start of the range, included: ISO 8601 date or instant, UTC if no zone is given. "
        "On an asset, it may only narrow the selected partitions.",
    )
    end_date: str | None = Field(
        default=None, description="End of the range, excluded. Same format as start_date."
    )

    @field_validator("start_date", "end_date")
    @classmethod
    def _is_instant(cls, value: str | None) -> str | None:
        if value is not None:
            parse_instant(value)
        return value

    @model_validator(mode="after")
    def _ends_after_start(self) -> "HarvestParameters":
        if self.start and self.end and self.end <= self.start:
            message = f"end_date must be after start_date, but {self.end_date} is not after {self.start_date}"
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
        """The parameters in the form that the pipeline takes."""
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
    """The parameters of the job `harvest`: those of a harvest, a source, and two instants."""

    ingest_config: str | None = Field(default=None, description="Label of the IngestConfig to harvest.")
    ingest_config_id: int | None = Field(
        default=None,
        description="Primary key of the IngestConfig in the table ingest_config, instead of its label.",
    )

    @model_validator(mode="after")
    def _has_source_and_range(self) -> "AdHocParameters":
        if (self.ingest_config is None) == (self.ingest_config_id is None):
            message = "give either ingest_config (a label) or ingest_config_id (a primary key)"
            raise ValueError(message)
        if self.start_date is None or self.end_date is None:
            message = "give start_date and end_date: the job harvests between two instants"
            raise ValueError(message)
        return self


class SweepParameters(_StrictConfig):
    """The parameters of the job `reconcile`."""

    ingest_config: str = Field(description="Label of the IngestConfig whose identifiers are compared.")
    approve_deletions: bool = Field(
        default=False,
        description="Delete also if the source no longer lists more records than `deletions.most` allows.",
    )
    ignore_disabled: bool = Field(default=False, description="Run even if the IngestConfig is disabled.")
    force: bool = Field(
        default=False,
        description="Run even if the IngestConfig is disabled or refused after failures. Never breaks a lock.",
    )

    @property
    def harvest(self) -> "StepConfig":
        """The parameters of the harvests that the sweep needs."""
        return StepConfig(
            ingest_config=self.ingest_config, ignore_disabled=self.ignore_disabled, force=self.force
        )


class TransformParameters(_StrictConfig):
    """The parameters of a transform asset."""

    superfluous: bool = Field(
        default=False,
        description="Also transform data whose transform has succeeded or failed, not only pending data.",
    )


class StepConfig(HarvestParameters):
    """The config of every op of a harvest. Config mappings create it; people do not write it."""

    ingest_config: str | None = None
    ingest_config_id: int | None = None


def _problem(detail: ErrorDetails) -> str:
    """Return a line such as `limit: must be greater than or equal to 1, not 0`."""
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
    else:
        message = f"{detail['msg'].replace('Input should', 'must')}, not {detail['input']!r}"
    return f"{place}: {message}" if place else message


def for_every_op(
    names: list[str], parameters: HarvestParameters | SweepParameters, **more: Any
) -> dict[str, Any]:
    """Return the same config for each op."""
    values = {name: value for name, value in parameters.model_dump().items() if value is not None}
    return {name: {"config": {**values, **more}} for name in names}
