"""What each notebook may be given: the contract of parameters, said once, a model a notebook.

A name is of one type in every notebook. Whatever a parameter is held against stands above it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
)

from lib import pruning, tasks
from lib.errors import UserError, unknown
from lib.networks.protocols import PROTOCOLS, PUBLISHED_WIDTHS
from lib.robustness.corruptions import CORRUPTIONS, STUDIED
from lib.tasks import PUBLISHED_ORDER, datasets, published

Given = Mapping[str, Any]
"""Parameters by name."""


def rule(wrong: Callable[[Any, Given], str | None], *names: str) -> AfterValidator:
    """A value with which nothing is `wrong` beside the parameters of these names.

    Where one of them is wrong itself, that is what is said.
    """

    def check(value: Any, info: ValidationInfo) -> Any:
        if info.data.keys() >= {*names} and (why := wrong(value, info.data)):
            raise UserError(why)
        return value

    return AfterValidator(check)


def holds(fits: Callable[[Any], object], otherwise: str) -> AfterValidator:
    """A value of which this is true; else the sentence that says what to give."""
    return rule(lambda value, _: None if fits(value) else otherwise)


def registered(what: str, names: Collection[str]) -> AfterValidator:
    """A name in a registry, as it then is."""
    return rule(lambda name, _: None if name in names else str(unknown(what, name, names)))


def is_task(task: str) -> str:
    """A pair of digits, or an error that says how to write one."""
    tasks.digits(task)
    return task


def is_fraction(value: float) -> float:
    """A share that is neither none nor all; a percentage is an error that says so."""
    if 1 < value <= 100:
        raise UserError(f"give a fraction, not a percentage: {value:g} % is {value / 100:g}")
    if not 0.001 <= value <= 0.999:
        raise UserError("give a fraction from 0.001 to 0.999")
    return value


def is_scheduler(address: str) -> bool:
    """Whether this is the address of a Dask scheduler."""
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:  # a port that is none
        return False
    return bool(right) and address == f"{parts.scheme}://{parts.netloc}"


def are_different(values: list) -> list:
    """Each once, by the six digits that tables and numbers call a fraction by."""
    names = Counter(f"{each:g}" if isinstance(each, float) else str(each) for each in values)
    for name, count in names.most_common(1):
        if count > 1:
            raise UserError(f"{name} is there {count} times: give it once")
    return values


def products(budgets: list[tuple[int, float]]) -> set[str]:
    """The products of steps and rates, which budgets are called by."""
    return {f"{steps * rate:g}" for steps, rate in budgets}


T = TypeVar("T")
Different = Annotated[list[T], AfterValidator(are_different)]
Some = Annotated[list[T], Field(min_length=1), AfterValidator(are_different)]
Rising = Annotated[Some[T], holds(lambda values: values == sorted(values), "give them rising")]

Fraction = Annotated[StrictFloat, AfterValidator(is_fraction)]
Positive = Annotated[StrictFloat, Field(ge=1e-6, le=10)]
Epsilon = Annotated[StrictFloat, Field(ge=1e-4, le=1)]
Count = Annotated[StrictInt, Field(ge=1, le=1000)]
Steps = Annotated[StrictInt, Field(ge=1, le=100_000)]
Width = Annotated[StrictInt, Field(ge=1, le=1024)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
TrainingRows = Annotated[StrictInt, Field(ge=20, le=100_000)]
Rows = Annotated[StrictInt, Field(ge=1, le=1850)]
"""Rows to score: those of 5-6 in MNIST's test file, and no pair of any data set has fewer."""

Jobs = Annotated[
    StrictInt,
    holds(
        lambda jobs: jobs == -1 or 1 <= jobs <= 1024,
        "give a number of processes from 1 to 1024, or -1 for one a core",
    ),
]
Scheduler = Annotated[
    StrictStr,
    holds(is_scheduler, "give a Dask scheduler as tcp://host:port or tls://host:port, or null"),
]
Task = Annotated[StrictStr, AfterValidator(is_task)]
Pairs = Some[Task] | None
Corruption = Annotated[StrictStr, registered("corruption", CORRUPTIONS)]
Further = Annotated[Corruption, holds(lambda name: name not in STUDIED, "it is there in any case")]
Method = Annotated[StrictStr, registered("pruning method", pruning.METHODS)]
Methods = Annotated[
    Some[Method],
    holds(
        lambda names: names[0] == pruning.STUDIED.method,
        f"give the study's, {pruning.STUDIED.method}, first",
    ),
]
Protocol = Annotated[StrictStr, registered("protocol", PROTOCOLS)]
Own = Annotated[
    Protocol, holds(lambda name: PROTOCOLS[name].initial != "replayed", "it has no draws for this")
]
OwnSeeds = Annotated[dict[Own, Some[Seed]], Field(min_length=1)]
BOTH = holds(
    lambda seeds: {"described", "converged"} <= seeds.keys(),
    "give seeds for 'described' and 'converged', which every notebook compares",
)

Budget = tuple[Steps, Positive]
"""Full-batch steps and their learning rate; several are called by their products."""

Budgets = Annotated[
    Some[Budget],
    holds(lambda budgets: len(products(budgets)) == len(budgets), "give each product once"),
]
EqualBudgets = Annotated[
    list[Budget],
    Field(min_length=2),
    AfterValidator(are_different),
    holds(lambda budgets: len(products(budgets)) == 1, "give steps and rates of one product"),
]


def leaves(value: Any) -> list[Any]:
    """The values in a parameter; in a mapping each with its key."""
    if isinstance(value, Mapping):
        return [(key, each) for key, listed in value.items() for each in leaves(listed)]
    return value if isinstance(value, list) else [value]


def words(values: Iterable[Any]) -> str:
    """Such values, for a sentence."""
    return ", ".join(" ".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values)


def outside(values: Iterable[Any], allowed: Collection[Any], what: str) -> str | None:
    """What is wrong where a value is not allowed."""
    for each in values:
        if each not in allowed:
            return f"{words([each])} is not {what}: {words(allowed)}"
    return None


def among(*others: str) -> AfterValidator:
    """Values each of which one of the others has."""

    def wrong(value: Any, given: Given) -> str | None:
        allowed = dict.fromkeys(each for name in others for each in leaves(given[name]))
        return outside(leaves(value), allowed, f"in {' or '.join(others)}")

    return rule(wrong, *others)


def has(other: str) -> AfterValidator:
    """A list with the value of the other in it."""

    def wrong(value: Any, given: Given) -> str | None:
        return None if given[other] in value else f"give {given[other]} too, which is {other}"

    return rule(wrong, other)


def keyed(other: str) -> AfterValidator:
    """A mapping all of whose keys are keys of the other."""
    return rule(lambda value, given: outside(value, given[other], f"in {other}"), other)


def at_most(other: str, most: Callable[[Any], int] = int) -> AfterValidator:
    """Values that are at most what the other allows, where that is not null."""

    def wrong(value: Any, given: Given) -> str | None:
        if given[other] is None or all(each <= most(given[other]) for each in leaves(value)):
            return None
        return f"give at most {most(given[other])}, as {other} is {given[other]}"

    return rule(wrong, other)


FIFTH = at_most("limit", lambda limit: limit // 5)
"""Rows of which `published`, which holds out a fifth, has as many to score."""


def replayed(value: Any, _: Given) -> str | None:
    """What is wrong where the published study has no such task or width."""
    known = PUBLISHED_ORDER if isinstance(leaves(value)[0], str) else PUBLISHED_WIDTHS
    return outside(leaves(value), known, "what protocol 'published' can replay")


REPLAYED = rule(replayed)


def studied(column: str) -> AfterValidator:
    """A list with a value at which the study shows its learning rates: it is drawn beside."""

    def wrong(value: Any, _: Given) -> str | None:
        known = published.read("fig2_f1_by_width_and_learning_rate")[column].unique().tolist()
        return None if {*known} & {*value} else f"give one of the study's too: {words(known)}"

    return rule(wrong)


def enough(value: Any, given: Given) -> str | None:
    """What is wrong with pairs that are too few, with tasks, to relate anything to difficulty."""
    few = value is not None and len({*value, *given["tasks"]}) < 3
    return "give so many that with tasks they are 3" if few else None


def if_published(then: Any) -> AfterValidator:
    """What has to hold where `published` has seeds."""

    def check(value: Any, info: ValidationInfo) -> Any:
        if "published" not in info.data.get("seeds", ()):
            return value
        try:
            return then.func(value, info)
        except UserError as error:
            raise UserError(f"{error}; or leave 'published' out of seeds") from None

    return AfterValidator(check)


class Parameters(BaseModel):
    """What everything that has a profile is given."""

    model_config = ConfigDict(extra="forbid")

    profile: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    dataset: Annotated[StrictStr, registered("dataset", datasets.SOURCES)]
    limit: TrainingRows | None
    jobs: Jobs


class Tasks(Parameters):
    """Notebook 01."""

    tasks: Some[Task]
    pairs: Pairs
    subsample_rows: Annotated[StrictInt, Field(ge=4, le=10_000, multiple_of=2), at_most("limit")]
    repeats: Count


class Trained(Parameters):
    """A notebook of trained networks."""

    seeds: Annotated[dict[Protocol, Some[Seed]], BOTH]
    tasks: Annotated[Some[Task], if_published(REPLAYED)]
    widths: Annotated[Some[Width], if_published(REPLAYED)]
    device: Literal["auto", "cpu", "cuda"]
    scheduler: Scheduler | None


class Capacity(Trained):
    """Notebook 02."""

    widths: Annotated[Some[Width], if_published(REPLAYED), studied("width")]
    task: Annotated[Task, if_published(REPLAYED)]
    pairs: Annotated[Pairs, rule(enough, "tasks")]
    pair_seeds: Annotated[OwnSeeds, BOTH]
    further_widths: Different[Annotated[StrictInt, Field(ge=0, le=1024)]]
    learning_rates: Annotated[Some[Positive], studied("learning_rate")]
    curve_widths: Annotated[Some[Width], among("widths")]
    threshold: Fraction
    narrow: Annotated[Width, among("widths"), at_most("widths", lambda widths: max(widths) - 1)]
    budgets: Budgets
    equal_budgets: EqualBudgets
    scales: Some[Positive]
    row_counts: Annotated[Different[TrainingRows], at_most("limit")]
    budget_seeds: Some[Seed]


class Pruning(Trained):
    """Notebook 03."""

    task: Annotated[Task, among("tasks"), REPLAYED]
    width: Annotated[Width, REPLAYED]
    seed: Seed
    rows: Annotated[Rows, Field(ge=20), FIFTH]
    curve_widths: Annotated[Some[Width], among("widths", "width")]
    tested_widths: Annotated[Some[Width], among("widths", "width"), has("width")]
    methods: Methods
    sparsities: Rising[Fraction]
    sparsity: Fraction
    audited_sparsities: Annotated[Rising[Fraction], has("sparsity")]
    audited_widths: dict[Own, Annotated[Some[Width], among("widths", "width"), has("width")]]
    tuning_steps: dict[Own, Steps]
    audited_seeds: Annotated[
        OwnSeeds, among("seeds"), keyed("audited_widths"), keyed("tuning_steps")
    ]
    compared_seeds: Annotated[OwnSeeds, among("audited_seeds")]
    pairs: Pairs
    sized_seeds: OwnSeeds


class Robustness(Trained):
    """Notebook 04."""

    task: Annotated[Task, among("tasks")]
    kinds: Some[Further]
    wide: Annotated[Width, if_published(REPLAYED)]
    narrow: Annotated[Width, at_most("wide", lambda wide: wide - 1), if_published(REPLAYED)]
    compared_widths: Annotated[Some[Width], has("narrow"), has("wide"), if_published(REPLAYED)]
    budgets: Budgets
    budget_seeds: Some[Seed]
    sparsity: Fraction
    map_epsilon: Epsilon
    epsilons: Annotated[Rising[Epsilon], has("map_epsilon")]
    map_seeds: OwnSeeds
    map_widths: Some[Width]
    map_sparsities: Rising[Fraction]
    map_regimes: Some[Literal["one_shot", "rewound"]]
    exact_rows: Annotated[Rows, if_published(FIFTH)]
    least_rows: Rows
    solved_rows: Annotated[Rows, at_most("least_rows")]
    solved_widths: Some[Width]


class Saliency(Trained):
    """Notebook 05."""

    task: Annotated[Task, among("tasks"), REPLAYED]
    width: Annotated[Width, REPLAYED]
    seed: Seed
    rows: Annotated[Rows, Field(ge=2), if_published(FIFTH)]
    sparsity: Fraction
    sparsities: Annotated[Rising[Fraction], has("sparsity")]
    tuning_steps: dict[Own, Steps]
    audited_seeds: Annotated[OwnSeeds, among("seeds"), keyed("tuning_steps")]
    corruptions: Some[Corruption]


MODELS: dict[str, type[Parameters]] = {
    "01_tasks": Tasks,
    "02_capacity": Capacity,
    "03_pruning": Pruning,
    "04_robustness": Robustness,
    "05_saliency": Saliency,
}
