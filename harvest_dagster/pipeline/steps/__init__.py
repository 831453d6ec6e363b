"""The steps of a harvest, one module each. `pipeline.run_window` composes them."""
