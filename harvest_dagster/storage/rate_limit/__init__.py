"""The request budget of each host, which all runs, processes and machines share."""
