"""Many small networks in one set of tensors, and the protocols that train them.

`population` holds them, `protocols` says how they begin and are trained, `training` is the loop,
`layers` the gradients and the step, `scores` how good they are.
"""
