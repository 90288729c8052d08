"""A dead unit is one that never fires."""

import torch
from hypothesis import given
from test_population import SEEDS, WIDTHS, drawn
from torch import nn

from lib.neurons import count_by_network, dead


@given(WIDTHS, SEEDS)
def test_dead_units_are_those_whose_relu_gives_0_on_every_row(widths, seed):
    networks = drawn(widths, seed)
    networks.bias1.sub_(4)  # so that some never fire
    images = torch.rand(25, 30, generator=torch.Generator().manual_seed(seed))
    found = dead(networks.hidden(images))
    counts = count_by_network(networks, found)
    for place in range(len(widths)):
        with torch.no_grad():
            fired = nn.Sequential(*networks.sequential(place)[:2])(images) > 0
        assert found[networks.units_of(place)].tolist() == (~fired.any(0)).tolist()
        assert int(counts[place]) == int((~fired.any(0)).sum())


def test_a_unit_held_down_by_its_bias_is_dead_and_one_held_up_is_not():
    networks = drawn([2, 3])
    networks.bias1.copy_(torch.tensor([-1000.0, 1000, 1000, -1000, -1000]))
    found = dead(networks.hidden(torch.rand(50, 30)))
    assert found.tolist() == [True, False, False, True, True]
    assert count_by_network(networks, found).tolist() == [1, 2]
