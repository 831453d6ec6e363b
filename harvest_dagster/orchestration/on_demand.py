"""Definitions whose assets are built when they are read, so that a run builds only the assets of its own sources.

Dagster loads the module of the definitions in the process of every run. Building the assets of a thousand sources takes
seconds there. A run reads only one thing: the job of all assets, and of that job the subset that it executes. So
`DefinitionsOnDemand` answers this request with the sources of the subset. Everything else that reads the assets (the
code server, the command line, `Definitions.merge`) builds all of them, once.

Dagster documents that users may subclass `RepositoryData` for the lazy creation of its members. It gets the subset of a
job from `JobDefinition.get_subset`. If a later Dagster asked in another way, a run would build all assets, as the code
server does (decision 0082).
"""

import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import dagster as dg

ASSET_JOB = "__ASSET_JOB"  # the name that Dagster gives the job of all assets


@dataclass(eq=False)
class SourceParts:
    """Builds the definitions of some sources, or of all.

    Attributes:
        build: returns the assets and checks of these sources, or of all.
        find_sources: returns the sources to build for some assets; None if that needs all sources.
        shared: what all sources share: jobs, sensors, resources, executor.
        find_shared_run: returns the run that executes some assets if it harvests several sources; otherwise None. It is
            passed to `build`.
    """

    build: Callable[..., dg.Definitions]
    find_sources: Callable[[AbstractSet[dg.AssetKey]], frozenset[str] | None]
    shared: dg.Definitions
    find_shared_run: Callable[[AbstractSet[dg.AssetKey]], object | None] = lambda _: None
    _of_runs: dict[object, dg.RepositoryDefinition] = field(default_factory=dict)
    _of_sources: dict[frozenset[str], dg.RepositoryDefinition] = field(default_factory=dict)

    @cached_property
    def every_source(self) -> dg.Definitions:
        """The assets and checks of all sources."""
        return self.build(None)

    @cached_property
    def shared_repository(self) -> dg.RepositoryDefinition:
        """A repository without assets."""
        return self.shared.get_repository_def()

    def repository_of(self, sources: frozenset[str]) -> dg.RepositoryDefinition:
        """Return a repository with the assets of these sources."""
        if sources not in self._of_sources:
            defs = dg.Definitions.merge(self.build(sources), self.shared)
            self._of_sources = {sources: defs.get_repository_def()}
        return self._of_sources[sources]

    def repository_of_run(self, sources: frozenset[str], run: object) -> dg.RepositoryDefinition:
        """Return a repository with the assets of these sources as a run needs them that harvests several."""
        if run not in self._of_runs:
            defs = dg.Definitions.merge(self.build(sources, run), self.shared)
            self._of_runs = {run: defs.get_repository_def()}
        return self._of_runs[run]


@contextmanager
def without_garbage_collection() -> Generator[None, None, None]:
    """Suspend the search for cyclic garbage while objects are built that all stay.

    It would visit all assets again and again, which takes a fifth of the processor time of building them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class DefinitionsOnDemand(dg.Definitions):
    """Definitions of sources. Create them with `of`."""

    @classmethod
    def of(cls, parts: SourceParts) -> "DefinitionsOnDemand":
        """Return the definitions of all sources."""
        assets = _DeferredSequence(lambda: parts.every_source.assets)
        checks = _DeferredSequence(lambda: parts.every_source.asset_checks)
        shared = parts.shared
        defs = cls(
            assets=assets,
            asset_checks=checks,
            jobs=shared.jobs,
            sensors=shared.sensors,
            resources=shared.resources,
            executor=shared.executor,
            metadata=shared.metadata,
        )
        # Dagster has looked at each item to check its type.
        assets.is_ready = checks.is_ready = True
        vars(defs)["on_demand"] = RepositoryOnDemand(
            parts.shared_repository.name,
            repository_data=_RepositoryData(parts, super(cls, defs).get_repository_def),
            metadata=parts.shared_repository.metadata,
        )
        return defs

    def get_repository_def(self) -> dg.RepositoryDefinition:
        """Return the repository. It builds its members when they are read.

        A changed copy of the definitions has no members to build; Dagster builds its repository.
        """
        found: dg.RepositoryDefinition | None = vars(self).get("on_demand")
        return super().get_repository_def() if found is None else found


class RepositoryOnDemand(dg.RepositoryDefinition):
    """The repository of such definitions. One run of it may harvest several sources with different partitions."""


class _DeferredSequence(Sequence[Any]):
    """A sequence that is built when it is read. It is empty until `is_ready` is set."""

    def __init__(self, build: Callable[[], Iterable[Any] | None]) -> None:
        self._build = build
        self.is_ready = False

    @cached_property
    def _items(self) -> list[Any]:
        return list(self._build() or ())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items if self.is_ready else ())

    def __len__(self) -> int:
        return len(self._items) if self.is_ready else 0


class _RepositoryData(dg.RepositoryData):
    """The members of the repository. All but the jobs are those of the complete repository."""

    def __init__(self, parts: SourceParts, complete: Callable[[], dg.RepositoryDefinition]) -> None:
        self._parts = parts
        self._build_complete = complete
        self.is_complete = False
        self._asset_job = _AssetJob(self, parts)

    @property
    def complete(self) -> dg.RepositoryDefinition:
        """The repository with the assets of all sources. It is built once."""
        if not self.is_complete:
            with without_garbage_collection():
                self._build_complete()  # Dagster caches it
        found = self._build_complete()
        self.is_complete = True
        return found

    def get_job(self, job_name: str) -> dg.JobDefinition:
        if job_name == ASSET_JOB:
            return self._asset_job
        if self.is_complete:
            return self.complete.get_job(job_name)
        shared = self._parts.shared_repository
        return (shared if shared.has_job(job_name) else self.complete).get_job(job_name)

    def get_all_jobs(self) -> Sequence[dg.JobDefinition]:
        return self.complete.get_all_jobs()

    def get_job_names(self) -> Sequence[str]:
        return self.complete.job_names

    def get_top_level_resources(self) -> Mapping[str, dg.ResourceDefinition]:
        return self._parts.shared_repository.get_top_level_resources()

    def get_env_vars_by_top_level_resource(self) -> Mapping[str, AbstractSet[str]]:
        return self._parts.shared_repository.get_env_vars_by_top_level_resource()

    def get_all_schedules(self) -> Sequence[dg.ScheduleDefinition]:
        return self.complete.schedule_defs

    def get_all_sensors(self) -> Sequence[dg.SensorDefinition]:
        return self.complete.sensor_defs

    def get_source_assets_by_key(self) -> Mapping[dg.AssetKey, dg.SourceAsset]:
        return self.complete.source_assets_by_key

    def get_assets_defs_by_key(self) -> Mapping[dg.AssetKey, dg.AssetsDefinition]:
        return self.complete.assets_defs_by_key

    def get_asset_checks_defs_by_key(self) -> Mapping[dg.AssetCheckKey, dg.AssetChecksDefinition]:
        return self.complete.asset_checks_defs_by_key

    def load_all_definitions(self) -> None:
        self.complete.load_all_definitions()


class _AssetJob(dg.JobDefinition):
    """The job of all assets. It is built when something other than a subset of it is read."""

    def __init__(self, repository: _RepositoryData, parts: SourceParts) -> None:
        # The constructor of the base class needs the ops of all assets. `__getattr__` copies the state of a built job.
        self._repository = repository
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        """Take all attributes from the complete job when the first one is read that is not there."""
        if name in ("_repository", "_parts") or vars(self).get("_is_built") or name.startswith("__"):
            raise AttributeError(name)
        vars(self).update(vars(self._complete), _is_built=True)
        return getattr(self, name)

    @property
    def _complete(self) -> dg.JobDefinition:
        repository = self._repository.complete
        with without_garbage_collection():
            return repository.get_job(ASSET_JOB)

    def get_subset(
        self,
        *,
        op_selection: Iterable[str] | None = None,
        asset_selection: AbstractSet[dg.AssetKey] | None = None,
        asset_check_selection: AbstractSet[dg.AssetCheckKey] | None = None,
    ) -> dg.JobDefinition:
        """Return the part of the job that executes these assets and checks.

        A process that has built the complete job uses it: the code server records the complete job with each run.
        """
        keys = {*(asset_selection or ()), *(check.asset_key for check in asset_check_selection or ())}
        if not keys and not op_selection:
            return self  # a run process loads the job in this way before it selects the subset
        sources = self._parts.find_sources(keys) if keys and not op_selection else None
        # The runs of the sensors select no checks. Runs that people launch select them: None stands for all.
        is_without_checks = asset_check_selection is not None and not asset_check_selection
        if sources is not None and is_without_checks and (run := self._parts.find_shared_run(keys)):
            return (
                self._parts.repository_of_run(sources, run)
                .get_job(ASSET_JOB)
                .get_subset(asset_selection=asset_selection, asset_check_selection=asset_check_selection)
            )
        whole = (
            self._complete
            if sources is None or self._repository.is_complete
            else self._parts.repository_of(sources).get_job(ASSET_JOB)
        )
        return whole.get_subset(
            op_selection=op_selection,
            asset_selection=asset_selection,
            asset_check_selection=asset_check_selection,
        )
