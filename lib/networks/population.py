"""Many one-hidden-layer ReLU networks in one set of tensors, without padding and without a loop.

All networks that see the same rows share the input, so their first layers are one matrix product.
`owner` says which network a hidden unit belongs to; a sum over a network's units is a product with
the small (networks, units) matrix `readout`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from lib.errors import UserError
from lib.networks.products import product

FIELDS = ("weight1", "bias1", "weight2", "bias2", "owner", "linear")


@dataclass(frozen=True)
class Population:
    """Networks f_k(x) = bias2_k + sum over units j of k: weight2_j relu(x . weight1_j + bias1_j).

    weight1: (features, units); bias1, weight2: (units,); bias2: (networks,); owner: int64
    (units,), the network of each unit, in rising order. linear: bool (networks,), whether a network
    is of width 0, logistic regression, and held as two mirrored units: relu(z) - relu(-z) = z; by
    default none is.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor
    owner: Tensor
    linear: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.linear is None:
            none = torch.zeros_like(self.bias2, dtype=torch.bool)
            object.__setattr__(self, "linear", none)

    def __len__(self) -> int:
        return len(self.bias2)

    @cached_property
    def widths(self) -> list[int]:
        """The number of hidden units of each network."""
        return torch.bincount(self.owner, minlength=len(self)).tolist()

    @cached_property
    def finite(self) -> Tensor:
        """Which networks are `finite`: bool (networks,)."""
        weight1 = torch.cat([self.weight1, self.bias1[None]]).T
        return finite(weight1, self.weight2, self.bias2, self.owner)

    @cached_property
    def lost(self) -> Tensor | None:
        """The units of networks that are not finite, bool (units,); None where there are none."""
        return None if self.finite.all() else ~self.finite[self.owner]

    @cached_property
    def readout(self) -> Tensor:
        """The second layers as one (networks, units) matrix: weight2 at the owner, 0 elsewhere."""
        matrix = self.weight1.new_zeros(len(self), len(self.owner))
        return matrix.scatter_(0, self.owner[None], self.weight2[None])

    def hidden(self, images: Tensor) -> Tensor:
        """Hidden activations, (rows, units), of images (rows, features).

        NaN where the network is not finite: the product's ReLU may make a NaN 0.
        """
        hidden = product(images, self.weight1.T, self.bias1, relu=True)
        return hidden if self.lost is None else hidden.masked_fill_(self.lost, torch.nan)

    def logits(self, images: Tensor) -> Tensor:
        """Logits, (networks, rows), of images (rows, features), a block of rows at a time.

        Raises `UserError` where the images have another number of pixels than the networks.
        """
        if images.shape[-1] != len(self.weight1):
            raise UserError(
                f"images have {images.shape[-1]} pixels, these networks take {len(self.weight1)}"
            )
        return torch.cat([self.read(self.hidden(block)) for block in blocks(images)], dim=1)

    def read(self, hidden: Tensor) -> Tensor:
        """Logits, (networks, rows), from hidden activations (rows, units).

        NaN for a network that is not finite, and for no other: its units are left out of the
        product, for there 0 x NaN would reach all of them.
        """
        if self.lost is None:
            return product(self.readout, hidden).add_(self.bias2[:, None])
        readout, hidden = (each.masked_fill(self.lost, 0) for each in (self.readout, hidden))
        bias2 = self.bias2.masked_fill(~self.finite, torch.nan)
        return product(readout, hidden).add_(bias2[:, None])

    def units_of(self, network: int) -> slice:
        """Where the units of one network stand."""
        first = sum(self.widths[:network])
        return slice(first, first + self.widths[network])

    def by_width(self) -> Iterator[Tensor]:
        """The units of all networks of a width, int64 (networks, width), one width after another.

        Networks of one width are plain batches: nothing is padded, and no network needs a loop.
        """
        widths = torch.tensor(self.widths, device=self.owner.device)[self.owner]
        for width in widths.unique().tolist():
            yield (widths == width).nonzero().view(-1, width)

    def select(self, networks: Sequence[int]) -> "Population":
        """The population of these networks only, in the order given."""
        return stack([self.network(network) for network in networks])

    def network(self, network: int) -> "Population":
        """One network, as a population of one."""
        units = self.units_of(network)
        return Population(
            self.weight1[:, units].contiguous(),
            self.bias1[units],
            self.weight2[units],
            self.bias2[network : network + 1],
            torch.zeros_like(self.owner[units]),
            self.linear[network : network + 1],
        )

    def sequential(self, network: int) -> nn.Sequential:
        """One network as plain PyTorch: Linear, ReLU, Linear; (rows, features) to (rows, 1)."""
        one = self.network(network)
        features, width = one.weight1.shape
        model = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 1))
        values = (one.weight1.T, one.bias1, one.weight2[None], one.bias2)
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), values, strict=True):
                parameter.copy_(value)
        return model

    def masked(self, mask1: Tensor, mask2: Tensor) -> "Population":
        """The same networks with the weights outside the masks at 0; biases stay."""
        return replace(self, weight1=self.weight1 * mask1, weight2=self.weight2 * mask2)

    def to(self, device: str | torch.device) -> "Population":
        """The same networks on `device`."""
        return Population(*(getattr(self, field.name).to(device) for field in fields(self)))


def finite(weight1: Tensor, weight2: Tensor, bias2: Tensor, owner: Tensor) -> Tensor:
    """Which networks have a finite logit for every image in [0, 1]: bool (networks,).

    By the most that a logit can be, which is not finite either where a weight is not. weight1:
    (units, features + 1), with the hidden bias; the others as those of a `Population`.
    """
    units = weight1.abs().sum(1) * weight2.abs()
    return bias2.abs().index_add(0, owner, units).isfinite()


def blocks(images: Tensor) -> Sequence[Tensor]:
    """`images` cut along its rows into equal parts: for a processor's cache, or a GPU's memory."""
    most = 5000 if images.device.type == "cpu" else 65536
    return torch.chunk(images, max(1, -(-len(images) // most)))


def owners(widths: Sequence[int]) -> Tensor:
    """The `owner` of networks of these widths, int64 (units,)."""
    return torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))


def stack(populations: Sequence[Population]) -> Population:
    """Several populations as one, in order; a population of 0 networks is not one."""
    shifts = [0]
    for population in populations[:-1]:
        shifts.append(shifts[-1] + len(population))
    return Population(
        torch.cat([p.weight1 for p in populations], dim=1),
        torch.cat([p.bias1 for p in populations]),
        torch.cat([p.weight2 for p in populations]),
        torch.cat([p.bias2 for p in populations]),
        torch.cat([p.owner + s for p, s in zip(populations, shifts, strict=True)]),
        torch.cat([p.linear for p in populations]),
    )
