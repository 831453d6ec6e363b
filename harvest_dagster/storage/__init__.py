"""The harvest database: a module for each thing it keeps. Plain SQLAlchemy Core, in sets, no HTTP."""
