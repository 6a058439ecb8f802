"""What the gate makes of plans that no engine here can be brought to: unknown values, other programs, broken files."""

import json
from typing import Any

import pytest

from components.operations.errors import USAGE, OperationError
from components.operations.gate import Level, judge, read
from components.protection import UNKNOWN


def step(op: str, kind: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    sides = {"oldState": old, "newState": new}
    return {
        "op": op,
        "urn": f"urn:pulumi:test::p::{kind}::it",
        **{name: {"type": kind, "inputs": inputs} for name, inputs in sides.items() if inputs is not None},
        **more,
    }


def levels(*steps: dict[str, Any], allow: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    judgement = judge(read(json.dumps({"steps": steps, "changeSummary": {}})), allow)
    return [(each.rule, each.level.value) for each in judgement.findings]


@pytest.mark.parametrize(
    "kind", ["kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service", "kubernetes:apps/v1:StatefulSet"]
)
@pytest.mark.parametrize(
    "unknown", [{"spec": UNKNOWN}, {"metadata": UNKNOWN}, {"spec": {"template": UNKNOWN, "strategy": UNKNOWN}}]
)
def test_what_only_the_deployment_will_tell_is_no_reason_to_refuse(kind: str, unknown: dict[str, Any]) -> None:
    known = {"metadata": {"labels": {}}, "spec": {"template": {"spec": {"containers": []}}}}
    for old, new in ((known, unknown), (unknown, known), (unknown, unknown)):
        assert "refused" not in {level for _, level in levels(step("update", kind, old, new))}


def test_a_database_of_another_program_is_refused_and_one_that_stays_is_only_told() -> None:
    kind = "digitalocean:index/databaseCluster:DatabaseCluster"
    assert levels(step("delete", kind, {})) == [("data", "refused")]
    assert levels(step("delete", kind, {}), allow=(kind,)) == [("data", "agreed")]
    kept = step("delete", kind, {})
    kept["oldState"]["retainOnDelete"] = True
    assert levels(kept) == [("data", "notice")]
    protected = step("replace", "example:index:Thing", {}, {})
    protected["oldState"]["protect"] = protected["newState"]["protect"] = True
    assert levels(protected) == [("data", "refused")]


def test_a_secret_that_stays_one_passes_and_one_that_is_shown_does_not() -> None:
    kind = "example:index:Thing"
    assert levels(step("update", kind, {"a": "[secret]"}, {"a": "[secret]"})) == []
    assert levels(step("update", kind, {"a": "[secret]"}, {"a": UNKNOWN})) == []
    assert levels(step("update", kind, {"a": {"b": "[secret]"}}, {"a": {"b": "shown"}})) == [("secret", "refused")]


def test_a_step_of_many_parts_is_judged_once() -> None:
    kind, reasons = "kubernetes:core/v1:Namespace", {"replaceReasons": ["metadata.name"]}
    parts = [step(op, kind, {}, {}, **reasons) for op in ("create-replacement", "replace", "delete-replaced")]
    assert levels(*parts) == [("data", "refused")]


@pytest.mark.parametrize("text", ["", "error: no stack", "[]", '{"steps": [', '{"some": "thing"}'])
def test_what_is_no_preview_is_wrong_usage(text: str) -> None:
    with pytest.raises(OperationError) as error:
        read(text)
    assert error.value.code == USAGE and "pulumi preview --json" in error.value.fix


def test_what_a_program_prints_before_is_passed_over_and_a_log_that_was_cut_off_is_refused() -> None:
    digest = json.dumps({"steps": [], "changeSummary": {"same": 1}}, indent=4)
    assert judge(read(f"a program says {{hello}}\n{digest}\nwarning: {{}}")).findings == ()
    event = {"sequence": 1, "preludeEvent": {"config": {}}}
    (finding,) = judge(read(json.dumps(event))).findings
    assert finding.level is Level.REFUSED and "the log ends before the preview does" in finding.message
