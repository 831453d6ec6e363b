"""Rules of the step store: too many invalid records, records outside their window, retries of quarantined records."""
