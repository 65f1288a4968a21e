"""JUnit XML: a test case for each finding. What is inconclusive counts as skipped, for JUnit knows nothing between.

Source: the schema of the Jenkins xUnit plug-in (junit-10.xsd), which GitLab, GitHub actions and Azure read too.
"""

from __future__ import annotations

from xml.etree import ElementTree

from compressor.gate.finding import Status
from compressor.gate.report import GateReport
from compressor.plain_text import plain

_TAGS: dict[Status, str] = {"fail": "failure", "environment": "error", "inconclusive": "skipped"}


def junit(report: GateReport) -> str:
    """The document, with its declaration. Characters that XML cannot hold are spelled out."""
    counts = report.counts()
    numbers = {
        "tests": str(len(report.findings)), "failures": str(counts["fail"]), "errors": str(counts["environment"]),
        "skipped": str(counts["inconclusive"]), "time": f"{report.seconds:.3f}",
    }  # fmt: skip
    root = ElementTree.Element("testsuites", {"name": "compressor gate", **numbers})
    suite = ElementTree.SubElement(root, "testsuite", {"name": plain(report.candidate), **numbers})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("baseline", report.baseline), ("policy", report.policy), ("status", report.status)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": plain(value)})
    for finding in report.findings:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"gate.{plain(finding.check)}", "name": plain(finding.rule)}
        )
        if finding.status in _TAGS:
            reason = plain(finding.reason)
            ElementTree.SubElement(case, _TAGS[finding.status], {"message": reason}).text = reason
        else:
            ElementTree.SubElement(case, "system-out").text = plain(finding.reason)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
