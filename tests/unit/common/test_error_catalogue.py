"""Every reason of the contract has a status and a message that says what to do next."""

import ast
import pickle
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.catalogue import CATALOGUE, UNKNOWN_PARAMETER
from services.common.errors import (
    MESSAGE_LIMIT,
    FieldViolation,
    ServiceError,
    error_info,
    reason_from_name,
    reason_name,
    reason_of,
    shorten,
)

ROOT = Path(__file__).resolve().parents[3]
REASONS = [reason for reason in ErrorReason.values() if reason != ErrorReason.ERROR_REASON_UNSPECIFIED]


def _sample(reason: "ErrorReason.ValueType", **more: str) -> ServiceError:
    parameters: dict[str, Any] = {name: f"<{name}>" for name in CATALOGUE[reason].parameters}
    return ServiceError(reason, **parameters, **more)  # type: ignore[arg-type]  # none of them is retry_after


def test_the_catalogue_has_each_reason_of_the_contract_once() -> None:
    assert set(CATALOGUE) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS, ids=reason_name)
def test_each_message_reads_well_and_ends_with_what_to_do(reason: "ErrorReason.ValueType") -> None:
    for error in (_sample(reason), _sample(reason, detail="One thing more")):
        assert not re.search(r"[{}]|  |\.\.|None|\(unknown\)", error.message), error.message
        assert error.message[0].isupper() or error.message.startswith(("'", "<"))
        assert all(f"<{name}>" in error.message for name in CATALOGUE[reason].parameters)
    template = CATALOGUE[reason].message
    assert reason == ErrorReason.ERROR_REASON_INTERNAL or "{detail}" in template
    advice = template.split("{detail}")[-1]
    assert len(advice.split()) >= 4, f"no advice: {template}"
    assert advice.endswith((".", "}")) or "ktrdr " in advice or " = " in advice


def test_statuses_are_those_that_the_contract_names() -> None:
    contract = (ROOT / "protos/ktrdr/host/v1/errors.proto").read_text()
    codes = {code.name for code in grpc.StatusCode}
    named = {}
    for comment, name in re.findall(r"  // (.+)\n  (ERROR_REASON_\w+) = \d+;", contract):
        for word in re.findall(r"\b[A-Z_]{5,}\b", comment):
            if word in codes:
                named[ErrorReason.Value(name)] = word
    assert len(named) > 30
    assert {reason: CATALOGUE[reason].status.name for reason in named} == named


def test_a_missing_parameter_does_not_lose_the_error() -> None:
    error = ServiceError(ErrorReason.ERROR_REASON_SESSION_NOT_FOUND)
    assert UNKNOWN_PARAMETER in error.message


def test_fields_are_named_in_the_message_for_those_who_see_only_that() -> None:
    fields = [FieldViolation(f"spec.f{number}", "must be set.") for number in range(5)]
    error = ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
    assert "spec.f0: must be set; spec.f1: must be set; spec.f2: must be set; and 2 more." in error.message
    explained = ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields, detail="Two ends are given.")
    assert "Two ends are given." in explained.message


def test_parameters_travel_as_metadata_but_the_detail_does_not_travel_twice() -> None:
    error = ServiceError(ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=3, detail="Here is more.", extra=1.5)
    info = error_info(error.status())
    assert info is not None
    assert dict(info.metadata) == {"exit_code": "3", "extra": "1.5"}


def test_details_are_only_there_where_they_were_given() -> None:
    bare = _sample(ErrorReason.ERROR_REASON_STOPPING).status()
    assert [detail.type_url.rpartition(".")[2] for detail in bare.details] == ["ErrorInfo"]
    full = ServiceError(
        ErrorReason.ERROR_REASON_STOPPING, fields=[FieldViolation("a", "b")], retry_after=timedelta(seconds=1)
    ).status()
    assert [it.type_url.rpartition(".")[2] for it in full.details] == ["ErrorInfo", "BadRequest", "RetryInfo"]


def test_reasons_are_found_by_both_of_their_names() -> None:
    for reason in REASONS:
        assert reason_from_name(reason_name(reason)) == reason
        assert reason_from_name(ErrorReason.Name(reason)) == reason
    assert reason_from_name("UNSPECIFIED") is None
    assert reason_from_name("NEWER_THAN_THIS") is None


def test_a_reason_of_another_domain_is_none_of_ours() -> None:
    status = _sample(ErrorReason.ERROR_REASON_STOPPING).status()
    foreign = error_details_pb2.ErrorInfo(reason="STOPPING", domain="example.com")
    status.details[0].Pack(foreign)
    assert reason_of(status) is None


def test_errors_survive_pickling() -> None:
    error = ServiceError(
        ErrorReason.ERROR_REASON_QUEUE_FULL,
        fields=[FieldViolation("a", "b")],
        retry_after=timedelta(seconds=1),
        running=1,
        queued=2,
    )
    again = pickle.loads(pickle.dumps(error))
    assert (again.status(), str(again)) == (error.status(), str(error))


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200), st.integers(10, 100))
def test_shortened_texts_fit_and_begin_alike(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(quote(short, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")) <= limit
    clean = text.encode(errors="replace").decode()
    assert short == clean or clean.startswith(short[:-1])


@given(
    st.dictionaries(st.sampled_from(["session_id", "detail", "command", "a", "b", "c", "d"]), st.text(max_size=2_000)),
    st.lists(st.builds(FieldViolation, st.text(max_size=400), st.text(max_size=800)), max_size=30),
)
def test_whatever_an_error_says_its_status_fits_the_trailers(
    parameters: dict[str, Any], fields: list[FieldViolation]
) -> None:
    error = ServiceError(ErrorReason.ERROR_REASON_SESSION_NOT_FOUND, fields=fields, **parameters)
    status = error.status()
    assert len(quote(status.message, safe=" ")) <= 3 * MESSAGE_LIMIT
    assert status.ByteSize() * 4 / 3 + MESSAGE_LIMIT < 7_800


def test_each_error_in_the_code_gives_the_parameters_of_its_message() -> None:
    faults = [fault for path in sorted((ROOT / "services").rglob("*.py")) for fault in _missing_parameters(path)]
    assert not faults, "\n".join(faults)


def _missing_parameters(path: Path) -> list[str]:
    faults = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ServiceError") and node.args):
            continue
        name = ast.unparse(node.args[0]).rpartition(".")[2]
        given = {keyword.arg for keyword in node.keywords}
        if name.startswith("ERROR_REASON_") and None not in given:
            missing = CATALOGUE[ErrorReason.Value(name)].parameters - given
            faults += [f"{path}:{node.lineno}: {name} needs {it}" for it in sorted(missing)]
    return faults
