"""What a notice says, and that every language says all of it."""

import dataclasses
import string

import msgspec
import pytest

from edge.config.schema import SummaryConfig
from edge.errors import ConfigError
from edge.notice.content import compose_notice
from edge.notice.languages import LANGUAGES
from support.notices import SETTINGS, config_with


def text_of(config, language="en"):
    return "\n".join(compose_notice(config, language).texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_in_its_own_words(language):
    words = dataclasses.asdict(LANGUAGES[language])
    assert all(text.strip() == text != "" for text in words.values())
    # A sentence that was left in another language, or copied from another field.
    for other, sentences in LANGUAGES.items():
        same = {key for key, text in dataclasses.asdict(sentences).items() if text == words[key]}
        assert other == language or same <= {"contact"}
    assert len(set(words.values())) == len(words)
    fields = {key: [name for _, name, _, _ in string.Formatter().parse(text) if name] for key, text in words.items()}
    assert {key: names for key, names in fields.items() if names} == {
        "deleted_after_days": ["days"],
        "counted_days": ["days"],
    }


def test_notice_names_who_is_responsible_and_what_for():
    text = text_of(config_with(OFFICER="iod@muzeum.example", LEGAL_BASIS="zgoda"), "pl")
    for value in (*SETTINGS.values(), "Inspektor ochrony danych: iod@muzeum.example", "Podstawa prawna\nzgoda"):
        assert value in text
    without = text_of(config_with(), "pl")
    assert "Inspektor" not in without
    assert "Podstawa" not in without


@pytest.mark.parametrize(
    ("days", "sentence"),
    [("0", "is not kept"), ("1", "deleted after one day"), ("30", "deleted after 30 days"), (None, None)],
)
def test_how_long_results_are_kept_is_said_only_where_it_is_configured(days, sentence):
    text = text_of(config_with() if days is None else config_with(KEEP_DAYS=days))
    assert "The sensor stores no picture." in text
    said = [part for part in ("is not kept", "deleted after one day", "deleted after 30 days") if part in text]
    assert said == ([] if sentence is None else [sentence])


def test_counts_that_the_sensor_keeps_are_said_with_their_time():
    assert "The sensor keeps counts by the hour for 400 days." in text_of(config_with())
    one = msgspec.structs.replace(config_with(), summary=SummaryConfig(keep_days=1))
    assert "The sensor keeps counts by the hour for one day." in text_of(one)
    none = msgspec.structs.replace(config_with(), summary=SummaryConfig(enabled=False))
    assert "counts by the hour" not in text_of(none)


def test_page_with_live_pictures_and_light_are_said_only_where_they_are_there():
    plain = text_of(config_with())
    assert "The sensor shows the picture to nobody." in plain
    assert "light" not in plain
    seen = text_of(config_with(led="camera", preview=True))
    assert "can watch the picture live" in seen
    assert "shows the picture to nobody" not in seen
    assert "While the light beside the camera is off, the camera is off." in seen


def test_missing_texts_are_named_in_one_sentence():
    with pytest.raises(ConfigError) as error:
        compose_notice(config_with(RESPONSIBLE="", PURPOSE="  "), "en")
    assert str(error.value) == (
        "notice.responsible and notice.purpose are empty, but a notice must say who is responsible and what the sensor "
        "is used for: write it below [notice] in the configuration, as in "
        'responsible = "Museum of Toys, High Street 1, Anytown"'
    )
    with pytest.raises(ConfigError, match=r"^notice\.contact is empty, but a notice must say how to reach them:"):
        compose_notice(config_with(CONTACT=""), "en")
