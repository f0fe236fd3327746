"""A small network, converted to float and int8."""

import pytest


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """The float model, its int8 and its float .tflite, and inputs."""
    pytest.importorskip("tensorflow", reason="the training half needs the convert extra")
    pytest.importorskip("ai_edge_litert", reason="the converted model is run by ai-edge-litert")
    from convert.quantization.quantize import quantize  # noqa: PLC0415
    from convert.runtimes.tflite_export import to_float_tflite  # noqa: PLC0415
    from support.layered_model import LAYERED_INPUT, layered_inputs, layered_model  # noqa: PLC0415

    model = layered_model(tmp_path_factory.mktemp("model") / "m.keras")
    faces, inputs = layered_inputs()
    return model, quantize(model, LAYERED_INPUT, faces), to_float_tflite(model), inputs
