"""The recipe that the tests train: one narrow stage, two batches an epoch."""

from convert.training.recipe import Recipe, Stage

TINY = Recipe(
    name="tiny",
    alpha=0.35,
    batch_size=96,
    warmup_epochs=0.5,
    average_decay=0.9,
    # The last three blocks contain every kind of layer; run eagerly, a step takes a time for each layer it trains.
    stages=(Stage(32, 2, 1e-3, first_block=14),),
)
