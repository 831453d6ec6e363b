"""The command line `harvest`, for people and scripts.

`app` has the list of all commands. Each command is a module of `commands`, which is imported only if it is used, so
that a command that does not need Dagster starts without it. `options` and `row_options` have the options that commands
share. `output`, `row_output` and `progress` have what they print. `database`, `connections` and `contexts` open what
they need. The commands parse arguments and print results. The packages below do the work.
"""
