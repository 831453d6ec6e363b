"""Support tools that require a setup.py. All settings are in pyproject.toml."""

from setuptools import setup

setup()
