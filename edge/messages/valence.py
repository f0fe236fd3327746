"""Computes valence: how pleasant an expression looks, from -1 to 1, as the weighted mean of the labels' probabilities.

Pure: weights and probabilities come in. No number for arousal: seven expressions say too little about it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from edge.errors import ConfigError
from edge.redact import quoted, quoted_name

_SCALE_MIDDLE: Final = 5.0
_SCALE_HALF: Final = 4.0
"""The ratings below run from 1 (unhappy) to 9 (happy), with 5 for neither."""

RATINGS: Final[Mapping[str, float]] = {
    "angry": 2.53,
    "contempt": 3.22,
    "disgusted": 2.68,
    "fearful": 2.66,
    "happy": 8.47,
    "neutral": _SCALE_MIDDLE,
    "sad": 2.10,
    "surprised": 6.57,
}
"""Mean valence of the word that names the state of a person: column V.Mean.Sum of the table that Warriner, Kuperman and
Brysbaert published with "Norms of valence, arousal, and dominance for 13,915 English lemmas", Behavior Research Methods
45 (2013), 1191-1207, doi:10.3758/s13428-012-0314-x. Their raters judged words, not faces.

- The adjective, because a label names how somebody looks; of `contempt` only the noun was rated. The nouns differ most
  where they also name an event that people like: surprise 7.44.
- `neutral` is the middle of the scale by definition: the word itself was rated as a word, and a neutral face is what
  the other faces are compared with.
"""

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Names that data sets give to the same expressions: those of FER2013, FER+, RAF-DB and AffectNet."""

_DECIMALS: Final = 4
"""As of probabilities: the weights themselves are known to two."""


def default_weight(label: str) -> float | None:
    """Return the weight of a label, from -1 to 1, whatever its case; None where its name has no rating."""
    plain = label.strip().lower()
    rating = RATINGS.get(_OTHER_NAMES.get(plain, plain))
    return None if rating is None else round((rating - _SCALE_MIDDLE) / _SCALE_HALF, _DECIMALS)


class ValenceWeights:
    """Weights of the labels of one model.

    `labels`: labels of the model, in the order of its probabilities. `configured`: weights from -1 to 1 by label, which
    take the place of the defaults. Raises ConfigError for a label that the model does not have.
    """

    def __init__(self, labels: Sequence[str], configured: Mapping[str, float]) -> None:
        for label in configured:
            if label not in labels:
                raise ConfigError(
                    f"valence.{quoted_name(label)} is the weight of {quoted(label)}, which is no label of the model: "
                    f"these are {', '.join(labels)}"
                )
        found = {label: configured.get(label, default_weight(label)) for label in labels}
        known = {label: weight for label, weight in found.items() if weight is not None}
        self.missing = tuple(label for label in labels if label not in known)
        """Labels without a weight."""
        self.by_label: dict[str, float] | None = None if self.missing else known
        """Weight of each label; None where one has none: then there is no valence, because a label that counted as 0
        would pull it towards neutral without a reason."""
        self.partly = bool(known) and bool(self.missing)
        """Whether some labels have a weight and others have none."""

    def valence(self, probabilities: Sequence[float]) -> float | None:
        """Return the valence of probabilities, in the order of the labels; None where a label has no weight."""
        if self.by_label is None:
            return None
        total = sum(weight * share for weight, share in zip(self.by_label.values(), probabilities, strict=True))
        # The sum of float32 probabilities may be off by a millionth.
        return round(min(1.0, max(-1.0, total)), _DECIMALS)

    def finding(self) -> str | None:
        """Return a sentence on the labels without a weight and what to do; None where every label has one."""
        if not self.missing:
            return None
        names = ", ".join(quoted(label) for label in self.missing)
        single = len(self.missing) == 1
        have = f"the label {names} of the model has" if single else f"the labels {names} of the model have"
        return (
            f"valence is not published, because {have} no weight: set valence.{quoted_name(self.missing[0])} to a "
            f"number from -1 (unpleasant) to 1 (pleasant){'' if single else ' and so on'}"
        )
