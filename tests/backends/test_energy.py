"""Energy: which meters there are and why not, counters that begin anew, and models compared by joules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compressor.backends import energy, nvml
from compressor.backends.base import Array, Session
from compressor.backends.comparison import AGAIN
from compressor.backends.energy import Gauge, Meter, gauge_for, meters
from compressor.backends.energy_comparison import TOO_SHORT
from compressor.backends.modes import Mode
from compressor.backends.null import NullBackend, NullSession
from compressor.backends.nvidia import Gpu
from compressor.backends.rapl import rapl_meters
from compressor.backends.timing import compare, compare_here
from compressor.errors import BackendError
from tests.backends.fake_energy import WATTS, domain, running
from tests.backends.small_models import chain

FEEDS = {"x": np.ones((2, 16), np.float32)}


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A processor of one package, with the counter standing still."""
    monkeypatch.setattr(energy, "ROOT", tmp_path)
    return domain(tmp_path, "intel-rapl:0", "package-0")


def test_packages_and_their_memory_are_meters_and_their_parts_are_not(tmp_path: Path) -> None:
    for folder, name in {
        "intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys", "intel-rapl-mmio:0": "package-0",
    }.items():  # fmt: skip
        domain(tmp_path, folder, name, 5)
    found = rapl_meters(tmp_path)
    assert [(meter.name, meter.reason) for meter in found] == [
        ("package-0", None), ("dram of package-0", None), ("package-1", None),
    ]  # fmt: skip
    assert [meter.read() for meter in found] == [5, 5, 5]


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    (found,) = rapl_meters(tmp_path)
    assert "shows no intel-rapl" in str(found.reason)
    with pytest.raises(BackendError, match="shows no intel-rapl") as caught:
        gauge_for("onnxruntime-cpu", tmp_path)
    assert caught.value.where == "onnxruntime-cpu"


def test_a_counter_for_root_alone_says_how_to_unlock_it(counter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(BackendError, match="only root may read") as caught:
        gauge_for("torch-cpu")
    assert "chmod" in str(caught.value.fix)


def test_a_counter_that_goes_while_it_is_read_is_an_error(counter: Path) -> None:
    gauge = gauge_for("null")
    counter.unlink()
    with pytest.raises(BackendError, match="any more"):
        gauge.now()


def test_joules_are_those_since_also_where_the_counter_begins_anew() -> None:
    readings = iter([900_000, 100, 150_000, 2_000_100])
    meter = [
        Meter("a", "cpu", "", read=lambda: next(readings), range_uj=1_000_000),
        Meter("b", "cpu", "", read=lambda: next(readings), range_uj=None),
    ]
    gauge = Gauge(meter)
    before = gauge.now()
    assert gauge.joules_since(before) == pytest.approx(0.25 + 2.0)


class NvmlError(Exception):
    pass


def fake_nvml(monkeypatch: pytest.MonkeyPatch, millijoules: list[int | None]) -> None:
    def read(handle: int) -> int:
        found = millijoules[handle]
        if found is None:
            raise NvmlError("Not Supported")
        return found

    library: Any = SimpleNamespace(
        NVMLError=NvmlError, nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: len(millijoules),
        nvmlDeviceGetHandleByIndex=lambda index: index, nvmlDeviceGetTotalEnergyConsumption=read,
    )  # fmt: skip
    monkeypatch.setattr(nvml, "gpus", lambda: (Gpu("a GPU", "1"),))
    monkeypatch.setattr("importlib.import_module", lambda name: library)


def test_a_gpu_is_read_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvml(monkeypatch, [7, None, 9])
    assert [gauge_for(f"torch-cuda{index}").now() for index in ("", ":0", ":2")] == [[7000], [7000], [9000]]
    with pytest.raises(BackendError, match="does not count energy"):
        gauge_for("onnxruntime-tensorrt:1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert gauge_for("onnxruntime-cuda").now() == [9000]
    assert gauge_for("torch-compile-cuda:1").now() == [7000]


def test_what_is_lacking_for_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "gpus", tuple)
    with pytest.raises(BackendError, match="no NVIDIA GPU"):
        gauge_for("torch-cuda")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(nvml, "gpus", lambda: (Gpu("a GPU", "1"),))
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(BackendError, match="nvidia-ml-py is not installed") as caught:
        gauge_for("torch-cuda")
    assert caught.value.fix == "Run: pip install nvidia-ml-py"


def test_nothing_counts_other_devices(counter: Path) -> None:
    with pytest.raises(BackendError, match="nothing counts"):
        gauge_for("openvino-npu")


class Taking(NullSession):
    """Every run takes so many joules of the one counter."""

    counter_uj = 0
    run_uj = 0

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        Taking.counter_uj += repeats * self.run_uj
        return super().time_ns(feeds, repeats)


def taking(run_uj: int) -> Session:
    session = NullBackend().open(chain(4), threads=1)
    session.__class__, session.run_uj = Taking, run_uj  # type: ignore[attr-defined]
    return session


def test_joules_are_told_of_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter("package-0", "cpu", "all of a processor", read=lambda: Taking.counter_uj)
    monkeypatch.setattr(energy, "meters", lambda root: [meter])
    openers = {"a": lambda: taking(4_000), "b": lambda: taking(1_000), "c": lambda: taking(5_000)}
    found = compare_here(openers, FEEDS, backend="null", blocks=8, min_time_s=0.02, energy=True).energy
    assert found is not None
    assert found.joules == pytest.approx({"a": 0.004, "b": 0.001, "c": 0.005})
    assert {label: ratio.ratio for label, ratio in found.ratios.items()} == pytest.approx({"b": 0.25, "c": 1.25})
    assert found.verdicts == {"b": "less", "c": "more"}
    assert found.noise.spread() == pytest.approx(0.0, abs=1e-9)
    assert found.meters == ["package-0 (all of a processor)"]
    loaded = json.loads(json.dumps(found.to_json()))
    assert set(loaded["samples_j"]) == {"a", "b", "c", AGAIN}
    assert [len(process) for process in loaded["samples_j"]["b"]] == [8]
    assert "samples_j" not in found.to_json(samples=False)


def test_measuring_processes_read_the_meters_too(counter: Path) -> None:
    models = {"a": chain(6, width=256), "b": chain(2, width=256)}
    feeds = {"x": np.ones((64, 256), np.float32)}
    with running(counter):
        found = compare(models, feeds, threads=1, processes=2, blocks=4, min_time_s=0.5, energy=True)
    told = found.energy
    assert told is not None
    assert found.energy_missing is None
    # Of single turns, and by the clock: on a machine busy with other tests a turn waits more than it runs.
    turns = [(np.mean(block), joules) for label in models for times, energies in
             zip(found.samples_ns[label], told.samples_j[label], strict=True)
             for block, joules in zip(times, energies, strict=True)]  # fmt: skip
    expected, told_j = (np.array(column) for column in zip(*turns, strict=True))
    assert np.median(told_j / (WATTS * expected / 1e9)) == pytest.approx(1, rel=0.3)
    assert told.joules["b"] < told.joules["a"]
    assert [len(process) for process in told.samples_j["b"]] == [4, 4]
    assert found.to_json(samples=False)["energy"]["joules"] == told.joules


def test_turns_last_as_long_as_the_meter_needs(counter: Path) -> None:
    opener = {"a": lambda: NullBackend().open(chain(1), threads=1)}
    found = compare_here(opener, FEEDS, backend="null", blocks=2, min_time_s=0.001, energy=True)
    assert all(sum(block) >= 0.015e9 for block in found.samples_ns["a"][0])


def test_why_there_is_no_energy_is_told(counter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"a": chain(1)}
    still = compare(one, FEEDS, backend="null", threads=1, processes=1, blocks=2, min_time_s=0.01, energy=True)
    assert (still.energy, still.energy_missing) == (None, TOO_SHORT)
    mode = Mode("throughput")
    full = compare(
        one, FEEDS, backend="null", threads=1, processes=1, blocks=2, min_time_s=0.01, mode=mode, energy=True
    )
    assert "not of throughput" in str(full.energy_missing)
    unasked = compare(one, FEEDS, backend="null", threads=1, processes=1, blocks=2, min_time_s=0.01)
    assert (unasked.energy, unasked.energy_missing) == (None, None)
    monkeypatch.setattr(energy, "ROOT", tmp_path / "nothing")
    bare = compare(one, FEEDS, backend="null", threads=1, processes=1, blocks=2, min_time_s=0.01, energy=True)
    assert "shows no intel-rapl" in str(bare.energy_missing)


def test_every_meter_of_this_machine_tells_or_says_why_not() -> None:
    found = meters()
    assert {meter.part for meter in found} == {"cpu", "gpu"}
    for meter in found:
        assert (meter.reason is None) == (meter.interval_s > 0)
        if meter.reason is None:
            assert meter.read() >= 0
        assert json.loads(json.dumps(meter.to_json()))["name"] == meter.name
