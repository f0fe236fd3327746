"""The recipe that the tests train: one narrow stage, two batches an epoch."""

from convert.training.recipe import Recipe, Stage

TINY = Recipe(
    name="tiny", alpha=0.35, batch_size=96, warmup_epochs=0.5, average_decay=0.9, stages=(Stage(32, 2, 1e-3),)
)
