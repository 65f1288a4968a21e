"""Real networks on every runtime that works here: what ONNX Runtime computes on the CPU, unoptimised."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.backends.base import BACKENDS, Array, get_backend
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import BackendError
from tests.zoo import source

HAVE_ZOO = pytest.mark.skipif(not source.is_present(), reason=source.ABSENT)
RUNTIMES = [name for name in BACKENDS.names() if name != "null" and get_backend(name).probe().usable]
# Attention with dynamic axes; grouped convolutions and shuffles.
FEW = ("hf_bert-dynaxes.leg", "tv_shufflenet_v2_x0_5.dyn")
MORE = ("hf_llama-dynaxes.dyn", "tv_efficientnet_b0.leg", "tv_mobilenet_v2.leg", "tv_resnet50.leg", "tv_vit_b_16.dyn")
CPU_TOLERANCE, GPU_TOLERANCE = 1e-5, 2e-2  # of the largest number of an output; GPUs may round to TensorFloat-32


def check(runtime: str, network: str) -> None:
    model = source.load(network)
    with get_backend("onnxruntime-cpu").open(model, threads=1, optimize=False) as reference:
        feeds = random_feeds(reference.inputs, seed=0, batch=2, bounds=index_bounds(model))
        wanted = reference.run(feeds)
    try:
        session = get_backend(runtime).open(model, threads=1)
    except BackendError as error:
        if "nodes would run on" not in str(error):
            raise
        pytest.skip(str(error))  # a limit of this provider, said as promised
    with session:
        found = session.run(feeds)
        on_cpu = session.provider.lower().removesuffix("executionprovider").endswith("cpu")
    tolerance = CPU_TOLERANCE if on_cpu else GPU_TOLERANCE
    worst = {name: relative_error(found[name], wanted[name]) for name in wanted}
    assert max(worst.values()) <= tolerance, worst


def relative_error(found: Array, wanted: Array) -> float:
    """Largest difference, as a share of the largest number wanted."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0.0)) / scale


@HAVE_ZOO
@pytest.mark.parametrize("network", FEW)
@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if "compile" not in name])
def test_a_few_networks(runtime: str, network: str) -> None:
    check(runtime, network)


@pytest.mark.slow
@HAVE_ZOO
@pytest.mark.parametrize("network", [*FEW, *MORE])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_more_networks(runtime: str, network: str) -> None:
    check(runtime, network)
