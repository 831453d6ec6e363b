"""Fake plug-ins that have arguments and nothing else, for tests of the catalog."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1


class FakeHarvester:
    class Arguments(BaseModel):
        """One field for each kind of validation."""

        model_config = ConfigDict(extra="forbid")

        base_url: HttpUrl
        prefix: str = Field("oai_dc", max_length=12)
        pages: int = 1
        sets: str | list[int] = []
        part: Part = Part()
        key: str = ""

        @field_validator("key")
        @classmethod
        def _no_space(cls, value: str) -> str:
            if " " in value:
                message = f"{value!r} contains a space"
                raise ValueError(message)
            return value


class FakeTransformer:
    class Arguments(BaseModel):
        model_config = ConfigDict(extra="forbid")

        language: str = "en"


class RaisingHarvester:
    class Arguments(BaseModel):
        key: str = ""

        @field_validator("key")
        @classmethod
        def _raise(cls, value: str) -> str:
            raise KeyError(value)


class WithoutModel:
    Arguments = dict
