"""The release gate: a candidate against a baseline, by the rules of a policy.

report = run_gate("model.onnx", "small.onnx", read_policy("gate.yaml"))
report.status        # "pass", "fail", "inconclusive" or "environment"
"""
