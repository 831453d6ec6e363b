"""The way to the sources: one session, one request budget for each host, one policy for retries.

No harvester reaches the network but through `session.HttpSession`. No SQL here: the budget's state is handed
in.
"""
