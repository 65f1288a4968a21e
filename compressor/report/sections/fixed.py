"""What could not be cut, by the reason why."""

from __future__ import annotations

from compressor.report.blocks import Items, Section, Table
from compressor.report.results import Results
from compressor.report.run_documents import Fixed
from compressor.report.section import section
from compressor.units import percent

_EXAMPLES = 2


@section("fixed", 80)
def fixed(results: Results) -> Section | None:
    """A row for each reason, most parameter axes first."""
    found = Section("What is fixed, and why")
    for one in results.inspections:
        groups: dict[str, list[Fixed]] = {}
        for axis in one.fixed:
            groups.setdefault(axis.group, []).append(axis)
        rows = [
            (reason, ", ".join(f"{axis.parameter}[{axis.axis}]" for axis in axes[:_EXAMPLES]), str(len(axes)),
             f"{sum(axis.count for axis in axes)} of {sum(axis.size for axis in axes)}")
            for reason, axes in sorted(groups.items(), key=lambda entry: -len(entry[1]))
        ]  # fmt: skip
        found.blocks.append(Items([f"{percent(one.weights_reached)} of the weights can be cut."]))
        if rows:
            found.blocks.append(Table(("reason", "for example", "axes", "indices that stay"), list(rows), left=2))
    return found
