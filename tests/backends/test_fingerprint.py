"""Fingerprint and warnings, on a made-up proc and sys tree and on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from compressor.backends.cgroup import cgroup_cpus, throttled_s
from compressor.backends.fingerprint import (
    configuration_warnings,
    cpu_model,
    fingerprint,
    load_warnings,
)
from compressor.backends.load import CpuUse, disturbance


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine() -> None:
    found = fingerprint()
    assert found.cpus == os.cpu_count()
    assert found.affinity == len(os.sched_getaffinity(0))
    assert found.memory_bytes > 2**28
    assert found.python == sys.version.split()[0]
    assert found.libraries["numpy"] == np.__version__
    assert json.loads(json.dumps(found.to_json()))["digest"] == fingerprint().digest()
    assert fingerprint(libraries=()).digest() != found.digest()
    elsewhere = fingerprint(runtime={"backend": "onnxruntime-cuda", "device": "a GPU"})
    assert elsewhere.digest() != found.digest()
    assert elsewhere.to_json()["runtime"]["device"] == "a GPU"


def test_cpu_model_has_the_codes_that_clouds_hide_in_the_name(tmp_path: Path) -> None:
    text = "processor : 0\nmodel name\t: AMD EPYC\ncpu family\t: 26\nmodel\t\t: 2\nstepping\t: 1\n\nprocessor : 1\n"
    assert cpu_model(tree(tmp_path, {"proc/cpuinfo": text})) == "AMD EPYC (cpu family 26, model 2, stepping 1)"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "50000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "150000 100000",
            },
            0.5,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
    ],
)
def test_cgroup_limits_of_both_versions(files: dict[str, str], limit: float | None, tmp_path: Path) -> None:
    assert cgroup_cpus(tree(tmp_path, files)) == limit


def test_time_throttled_is_the_sum_over_the_groups(tmp_path: Path) -> None:
    assert throttled_s(tmp_path) == 0
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.stat": "usage_usec 9\nthrottled_usec 1500000\n",
            "sys/fs/cgroup/a/b/cpu.stat": "throttled_usec 500000",
        },
    )
    assert throttled_s(tmp_path) == 2.0
    tree(tmp_path, {"proc/self/cgroup": "1:cpu:/x\n", "sys/fs/cgroup/cpu/x/cpu.stat": "throttled_time 3000000000"})
    assert throttled_s(tmp_path) == 3.0


def test_configuration_warnings(tmp_path: Path) -> None:
    assert configuration_warnings(1, tmp_path) == []
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "50000 100000",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
        },
    )
    text = "\n".join(configuration_warnings(1000, tmp_path))
    assert "1000 threads share" in text
    assert "may use 0.5 CPUs" in text
    assert "governor is powersave:" in text


def test_load_warnings(tmp_path: Path) -> None:
    assert load_warnings(tmp_path) == []
    assert load_warnings(tree(tmp_path, {"proc/loadavg": "0.10 0 0 1/2 3"})) == []
    assert "3.5" in load_warnings(tree(tmp_path, {"proc/loadavg": "3.50 0 0 1/2 3"}))[0]


def test_load_of_others_is_told_from_our_own() -> None:
    start = CpuUse(wall_s=0, busy_s=100, stolen_s=0, own_s=10)
    assert disturbance(start, CpuUse(wall_s=10, busy_s=110, stolen_s=0, own_s=20)) == []
    assert "1.0 CPUs busy" in disturbance(start, CpuUse(wall_s=10, busy_s=120, stolen_s=0, own_s=20))[0]
    assert "hypervisor took away 0.50" in disturbance(start, CpuUse(wall_s=10, busy_s=110, stolen_s=5, own_s=20))[0]
    assert disturbance(CpuUse(0, None, 0, 0), CpuUse(1, None, 0, 0)) == []


def test_counters_are_read_in_the_kernels_columns(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    (tmp_path / "stat").write_text(f"cpu  9 9 9 9 9 9 9 9 9 9\ncpu{cpu} 100 20 30 5000 600 4 6 70 0 0\nintr 5\n")
    use = CpuUse.now(tmp_path / "stat")
    tick = os.sysconf("SC_CLK_TCK")
    assert use.busy_s == pytest.approx(160 / tick)
    assert use.stolen_s == pytest.approx(70 / tick)
    assert CpuUse.now(tmp_path / "absent").busy_s is None


def test_a_busy_neighbour_shows() -> None:
    before = CpuUse.now()
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(1.0)
        after = CpuUse.now()
    finally:
        neighbour.kill()
        neighbour.wait()
    assert any("Other programs" in warning for warning in disturbance(before, after))
