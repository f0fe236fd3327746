"""Exports networks of PyTorch with random weights; a program for the Python that has PyTorch.

    python pytorch_networks.py FOLDER

Writes mobile.pt2, three classes on pictures of 160x160 pixels, RGB, MobileNetV2-like, logits; and what cannot be
converted: batch.pt2, sizes.pt2, half.pt2, training.pt2, two.pt2, weights.pt, cut.pt2, and pickle.pt2, which makes the
file `trace` beside it where its pickle is read.
"""

import io
import pathlib
import sys
import zipfile

import torch
from torch import nn
from torch.export import Dim, export, save

SIZE = 160


def convolution(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        hidden = 3 * inputs
        self.layers = nn.Sequential(
            convolution(inputs, hidden, 1),
            convolution(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            convolution(3, 16, 3, 2),
            Block(16, 16, 1),
            Block(16, 24, 2),
            Block(24, 24, 1),
            Block(24, 48, 2),
            convolution(48, 128, 1),
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 3))

    def forward(self, x):
        return self.head(self.features(x))


def trained_like(network):
    """Give batch norm the statistics of its inputs, and the head weights that make the outputs differ."""
    with torch.no_grad():
        network.train()
        for _ in range(20):
            network(nn.functional.interpolate(torch.rand(16, 3, 6, 6) * 2 - 1, size=(SIZE, SIZE)))
        network.eval()
        features = nn.functional.interpolate(torch.rand(64, 3, 6, 6) * 2 - 1, size=(SIZE, SIZE))
        pooled = network.features(features).mean((2, 3))
        # Three directions, 120 degrees apart, in the plane in which the features of pictures differ most.
        plane = torch.linalg.svd(pooled - pooled.mean(0), full_matrices=False).Vh[:2]
        angles = torch.arange(3) * 2 * torch.pi / 3
        linear = network.head[-1]
        linear.weight.copy_(torch.stack([angles.cos(), angles.sin()], dim=1) @ plane)
        linear.weight *= 3 / (pooled - pooled.mean(0)).matmul(linear.weight.T).std()
        linear.bias.copy_(-(pooled @ linear.weight.T).mean(0))
    return network


class Two(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, y):
        return self.network(x) + self.network(y)


class RunsWhenRead:
    """Makes a file where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return pathlib.Path.touch, (self.trace,)


def with_pickle(source, target, trace):
    """Copy an exported program with other example inputs: a pickle that runs code."""
    pickled = io.BytesIO()
    torch.save(RunsWhenRead(trace), pickled)
    with zipfile.ZipFile(source) as original, zipfile.ZipFile(target, "w") as copy:
        names = original.namelist()
        assert any("sample_inputs" in name for name in names)
        for name in names:
            copy.writestr(name, pickled.getvalue() if "sample_inputs" in name else original.read(name))


def main(folder):
    torch.manual_seed(4)
    torch.set_num_threads(1)
    network, picture = trained_like(Mobile()), torch.zeros(1, 3, SIZE, SIZE)
    save(export(network, (picture,)), folder / "mobile.pt2")
    save(export(network, (picture.repeat(8, 1, 1, 1),)), folder / "batch.pt2")
    sizes = {2: 8 * Dim("h", max=64), 3: 8 * Dim("w", max=64)}
    save(export(network, (picture,), dynamic_shapes=(sizes,)), folder / "sizes.pt2")
    save(export(Two(network), (picture, picture)), folder / "two.pt2")
    save(export(network.half(), (picture.half(),)), folder / "half.pt2")
    save(export(network.float().train(), (picture.repeat(2, 1, 1, 1),)), folder / "training.pt2")
    torch.save(network.state_dict(), folder / "weights.pt")
    content = (folder / "mobile.pt2").read_bytes()
    (folder / "cut.pt2").write_bytes(content[: len(content) // 2])
    with_pickle(folder / "mobile.pt2", folder / "pickle.pt2", folder / "trace")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
