"""Composes a notice: its sections, from the configuration and the sentences of a language."""

from dataclasses import dataclass
from typing import Final

from edge.config.schema import Config
from edge.errors import ConfigError
from edge.notice.languages import LANGUAGES, Sentences

_REQUIRED: Final = {
    "responsible": "who is responsible",
    "contact": "how to reach them",
    "purpose": "what the sensor is used for",
}
_EXAMPLE: Final = 'responsible = "Museum of Toys, High Street 1, Anytown"'


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and paragraphs of plain text below it."""

    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice says. `language`: ISO 639-1. `url`: what the code leads to, with the label `more`; "": no code."""

    language: str
    title: str
    intro: str
    sections: tuple[Section, ...]
    more: str
    url: str

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that is printed."""
        body = [text for section in self.sections for text in (section.heading, *section.paragraphs)]
        return (self.title, self.intro, *body, self.more, self.url)


def compose_notice(config: Config, language: str) -> Notice:
    """Compose the notice in one of `LANGUAGES`. Raises ConfigError where the configuration lacks what it must say."""
    notice, words = config.notice, LANGUAGES[language]
    missing = [key for key in _REQUIRED if not getattr(notice, key).strip()]
    if missing:
        keys = _joined([f"notice.{key}" for key in missing])
        said = _joined([_REQUIRED[key] for key in missing])
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(
            f"{keys} {verb} empty, but a notice must say {said}: write it below [notice] in the configuration, as in "
            f"{_EXAMPLE}"
        )
    seen = (words.seen, words.light) if config.indicator.led else (words.seen,)
    responsible = [notice.responsible.strip(), f"{words.contact}: {notice.contact.strip()}"]
    if notice.officer.strip():
        responsible.append(f"{words.officer}: {notice.officer.strip()}")
    sections = [
        Section(words.seen_heading, seen),
        Section(words.kept_heading, _kept(config, words)),
        Section(words.purpose_heading, (notice.purpose.strip(),)),
        Section(words.responsible_heading, tuple(responsible)),
    ]
    if notice.legal_basis.strip():
        sections.append(Section(words.legal_heading, (notice.legal_basis.strip(),)))
    sections.append(Section(words.rights_heading, (words.rights,)))
    return Notice(language, words.title, words.intro, tuple(sections), words.more, notice.url)


def _joined(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _kept(config: Config, words: Sentences) -> tuple[str, ...]:
    passed_on = f"{words.kept} {words.watched if config.preview.enabled else words.unwatched}"
    sentences = [passed_on]
    match config.notice.keep_days:
        case None:
            pass
        case 0:
            sentences.append(words.not_kept)
        case days:
            sentences.append(_with_days(days, words.deleted_after_day, words.deleted_after_days))
    if config.summary.enabled:
        sentences.append(_with_days(config.summary.keep_days, words.counted_day, words.counted_days))
    return tuple(sentences)


def _with_days(days: int, one: str, more: str) -> str:
    return one if days == 1 else more.format(days=days)
