"""The harvest database: one module or package for each kind of row. SQLAlchemy Core, no HTTP."""
