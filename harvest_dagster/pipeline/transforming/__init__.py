"""The parts of the transform.

- `batches`: transforms the data of batches, the fourth and later ones in another process.
- `worker`: this other process.
- `results`: what a transformer makes of a datum.
"""
