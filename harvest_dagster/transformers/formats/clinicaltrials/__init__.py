"""The transformer `clinicaltrials`."""
