"""What a study is: which networks, trained where, kept how, measured into which table.

`shard` says what a group of networks is, `trained` trains or loads it, `measuring` makes tables of
it; `store` keeps what was computed, `backends` hands work out, `contract` says what a notebook may
be given and `parameters` checks it, `plan` counts what a profile trains and `costs` says how long
that takes.
"""

from lib.study.backends import Machine
from lib.study.measuring import asked, kept_networks, table, tables
from lib.study.shard import IDENTITY, Shard, changed, shards
from lib.study.trained import Run, load_shard, missing_widths, placed, train
