"""What is done to a network's input: corruptions by name, and the worst that a small change can do.

`corruptions` has them by name, from `pixelwise`, `moved` and `overlaid`; `adversary` has the change
within a distance that hurts most, found exactly or bounded.
"""
