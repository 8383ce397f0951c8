"""Errors say what, what was expected and what to do, and are counted under keys that stay apart."""

from __future__ import annotations

import pickle

import pytest

from camf_ros import errors
from camf_ros.errors import CamfError, EncodingError, ImageError, shown

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CamfError)]


def test_message() -> None:
    assert str(CamfError("gain is 0")) == "gain is 0"
    assert str(CamfError("gain is 0.", expected="a number above 0.")) == "gain is 0; expected a number above 0"
    assert str(CamfError("a", remedy="do b")) == "a; do b"
    assert str(CamfError("a", expected="b", remedy="do c.")) == "a; expected b; do c"


def test_message_is_one_line() -> None:
    """Libraries' messages, which are quoted in ours, have several; logs and the command line have one for an error."""
    assert str(CamfError("file is damaged (first\n  second\r\n)", remedy="replace\nit")) == (
        "file is damaged (first second ); replace it"
    )


def test_values_in_messages() -> None:
    assert shown("a") == "'a'"
    assert shown(["x" * 1000]).startswith("['xxx")
    assert len(shown("x" * 1000)) == 120
    assert shown(10**5000) == "far too large"


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: type[CamfError]) -> None:
    error = kind("what", expected="this", remedy="do that")
    assert str(error) == "what; expected this; do that"
    assert kind.reason.isidentifier()
    # Between processes, as multiprocessing and concurrent.futures send them.
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (kind, str(error))


def test_reasons_are_distinct() -> None:
    assert len(KINDS) > 5
    assert len({kind.reason for kind in KINDS}) == len(KINDS)


def test_bad_encoding_is_a_bad_image() -> None:
    assert issubclass(EncodingError, ImageError)
