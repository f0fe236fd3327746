"""The example of docs/manifest.md, followed to the letter: a ready-made .tflite of three or five labels."""

import json
import re
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
from convert.quantization.quantize import quantize
from convert.runtimes.keras_model import load_float_model
from edge.cli import main
from edge.vision.classification.manifest import ModelInput
from support.doc_pages import DOCS, blocks
from support.photograph import write_photograph
from support.small_models import linear_model, noise_images

PAGE = (DOCS / "manifest.md").read_text(encoding="utf-8")


def block(language):
    """Return the last code block of a language."""
    return textwrap.dedent(blocks(PAGE, language)[-1])


@pytest.mark.parametrize("labels", [("calm", "tense", "tired"), ("one", "two", "three", "four", "five")], ids=len)
def test_ready_made_model_is_put_to_use(labels, tmp_path, monkeypatch, capsys):
    model = tmp_path / "mood.tflite"
    spec = ModelInput(width=8, height=8, colour="gray", value_range=(0.0, 1.0))
    float_model = load_float_model(linear_model(tmp_path / "m.keras", units=len(labels)))
    model.write_bytes(quantize(float_model, spec, noise_images()))

    monkeypatch.setattr(sys, "argv", ["describe.py", str(model)])
    exec(compile(block("python"), "describe.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - the page's own
    manifest = json.loads(capsys.readouterr().out)
    edited = json.loads(block("json"))
    assert set(edited) <= set(manifest)
    assert edited["input"] == manifest["input"] | {"range": [0, 1]}
    if len(labels) == 3:
        assert tuple(edited["labels"]) == labels
    model.with_suffix(".json").write_text(json.dumps(manifest | edited | {"labels": labels}), encoding="utf-8")

    config = tmp_path / "config.toml"
    config.write_text(block("toml").replace("/home/me/models/mine.tflite", str(model)), encoding="utf-8")
    assert main(["doctor", "--only", "model", "--config", str(config)]) == 0
    assert str(model) in capsys.readouterr().out
    assert main(["classify", str(write_photograph(tmp_path / "photo.png")), "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "1 face" in out
    assert all(label in out for label in labels)
    assert np.isclose(sum(float(share) for share in re.findall(r"([\d.]+) %", out)), 100, atol=0.3)
