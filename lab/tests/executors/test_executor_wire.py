"""Protocol buffers' wire format, against bytes written down by hand from its specification."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_executor.messages import KILL_POLICY, RECEIVED, SENT, STATUS, TASK
from lab_executor.wire import Field, Message, decode, encode, split, varint

EVERY = Message({1: Field("number", "int"), 2: Field("yes", "bool"), 3: Field("real", "double"), 4: Field("text", "string"),
                 5: Field("raw", "bytes"), 6: Field("many", "string", many=True), 16: Field("inner", KILL_POLICY)})


@pytest.mark.parametrize(("number", "written"), [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"),
                                                 (-1, "ffffffffffffffffff01"), (5_000_000_000, "80e497d012")])
def test_varint(number: int, written: str) -> None:
    assert varint(number).hex() == written
    assert decode(b"\x08" + varint(number), EVERY) == {"number": number}


def test_a_message_by_hand() -> None:
    values = {"number": 150, "yes": True, "real": 1.0, "text": "testing", "raw": base64.b64encode(b"\x00\xff").decode(),
              "many": ["a", "b"], "inner": {"grace_period": {"nanoseconds": 3}}}
    written = "089601" "1001" "19000000000000f03f" "220774657374696e67" "2a0200ff" "320161" "320162" "820104" "0a02" "0803"
    assert encode(values, EVERY).hex() == written
    assert decode(bytes.fromhex(written), EVERY) == values


def test_enums_and_maps_are_shown_as_in_json() -> None:
    status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "reason": "REASON_TASK_CHECK_STATUS_UPDATED"}
    assert encode(status, STATUS).hex() == "0a030a0174" "1001" "4802" "501c"
    limits = {"name": "n", "limits": {"cpus": {"value": 2.0}, "mem": {"value": 1.0}}}
    assert decode(encode(limits, TASK), TASK) == limits
    assert encode({"limits": {"cpus": {"value": 2.0}}}, TASK).hex() == "7a11" "0a0463707573" "1209090000000000000040"


def test_unknown_fields_of_every_wire_type_are_left_out() -> None:
    assert decode(bytes.fromhex("f80105" "f9010000000000000000" "fa010178" "fd0100000000" "0801"), EVERY) == {"number": 1}


@pytest.mark.parametrize("broken", ["08", "0880", "2205", "19000000", "0b", "08" + "80" * 11 + "01", "0a0178"])
def test_a_broken_message_is_an_error(broken: str) -> None:
    with pytest.raises(ValueError, match=r"the message ends within|wire type|too long"):
        decode(bytes.fromhex(broken), EVERY)


@given(st.fixed_dictionaries({}, optional={
    "number": st.integers(-2**63, 2**63 - 1), "yes": st.booleans(), "real": st.floats(allow_nan=False), "text": st.text(),
    "raw": st.binary().map(lambda raw: base64.b64encode(raw).decode()), "many": st.lists(st.text(), min_size=1)}))
def test_round_trip(values: dict[str, Any]) -> None:
    assert decode(encode(values, EVERY), EVERY) == values


def test_a_task_goes_back_to_the_agent_with_what_is_not_known_here() -> None:
    task = encode({"name": "n"}, TASK) + bytes.fromhex("fa0103787878")  # field 31, which no message here has
    run = bytes.fromhex("22") + varint(len(task)) + task
    assert decode(run, RECEIVED["RunTaskMessage"]) == {"task": {"name": "n"}}
    again = encode({"tasks": [base64.b64encode(dict(split(run))[4]).decode()]}, SENT["ReregisterExecutorMessage"])  # type: ignore[arg-type]
    assert again == bytes.fromhex("1a") + varint(len(task)) + task
