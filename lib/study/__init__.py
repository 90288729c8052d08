"""What a study is: which networks, trained where, kept how, measured into which table.

`shard` says what a group of networks is, trains or loads it, and measures it; `store` keeps what
was computed, `backends` hands work out, `contract` says what a notebook may be given, `parameters`
checks it, `plan` says what a profile trains and `costs` how long that takes.
"""

from lib.study.backends import Machine
from lib.study.shard import (
    CODE,
    IDENTITY,
    Run,
    Shard,
    changed,
    kept_networks,
    load_shard,
    missing_widths,
    placed,
    shards,
    split_of,
    table,
    train,
)

__all__ = [
    "CODE",
    "IDENTITY",
    "Machine",
    "Run",
    "Shard",
    "changed",
    "kept_networks",
    "load_shard",
    "missing_widths",
    "placed",
    "shards",
    "split_of",
    "table",
    "train",
]
