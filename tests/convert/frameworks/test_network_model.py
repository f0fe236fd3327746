from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the training half needs the convert extra")

from convert.errors import ConvertError
from convert.frameworks.network_model import channels_last
from convert.frameworks.original import NetworkFacts, TensorFacts

PATH = Path("mine.onnx")
SCORES = TensorFacts((1, 3), "float32")


def facts(*shapes, dtype="float32", outputs=(SCORES,), obstacle=""):
    inputs = tuple(TensorFacts(shape, dtype) for shape in shapes)
    return NetworkFacts(inputs, outputs, obstacle, "onnxruntime 1", "onnx2tf 2")


@pytest.mark.parametrize("batch", [1, None, "batch"])
def test_layout_follows_from_where_the_channels_are(batch):
    assert not channels_last(PATH, facts((batch, 3, 160, 160)))
    assert not channels_last(PATH, facts((batch, 1, 48, 48)))
    assert channels_last(PATH, facts((batch, 160, 120, 3)))
    assert channels_last(PATH, facts((batch, 48, 48, 1)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (facts((1, 3, None, None)), "takes pictures of changing size, (1, 3, ?, ?): export it with the size"),
        (facts((1, 1, "height", "width")), "changing size, (1, 1, height, width)"),
        (facts((8, 3, 64, 64)), "takes 8 pictures at once, (8, 3, 64, 64): export it for one, (1, 3, 64, 64)"),
        (facts((1, 4, 64, 64)), "takes (1, 4, 64, 64), not pictures (1, channels, height, width)"),
        (facts((1, 3, 64, 3)), "takes (1, 3, 64, 3), not pictures"),
        (facts((1, 2304)), "takes (1, 2304), not pictures"),
        (facts((1, 3, 9, 9), (1, 3, 9, 9)), "has 2 inputs and 1 outputs; one of each"),
        (facts((1, 3, 9, 9), outputs=(SCORES, SCORES)), "has 1 inputs and 2 outputs; one of each"),
        (facts((1, 3, 9, 9), dtype="float16"), "takes float16, not float32: export it in float32"),
        (facts((1, 3, 9, 9), dtype="uint8"), "takes uint8, not float32: export it without the part"),
        (facts((1, 3, 9, 9), outputs=(TensorFacts((1,), "int64"),)), "gives int64, not float32"),
        (facts((1, 3, 9, 9), obstacle="is quantized already"), "mine.onnx is quantized already"),
    ],
)
def test_network_that_cannot_be_converted_is_one_sentence(network, message):
    with pytest.raises(ConvertError) as caught:
        channels_last(PATH, network)
    assert message in str(caught.value)
