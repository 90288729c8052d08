"""Many small networks in one set of tensors, and the protocols that train them.

`population` holds them, `protocols` says how they begin and are trained, `training` is the loop,
`layers` the gradients and the step, `products` the large matrix product, `scores` how good they
are; `perturbed` has their logits under noise or a patch in closed form, `neurons` what single units
do.
"""
