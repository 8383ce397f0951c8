"""Errors say what, what was expected and what to do, and are counted under keys that stay apart."""

from __future__ import annotations

import pickle

import pytest

from camf_ros import errors
from camf_ros.errors import CamfError, EncodingError, ImageError, shown, to_install

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


def test_message_is_plain_and_of_a_length_that_can_be_read() -> None:
    assert str(CamfError("a\x1b[31m\0b\u202e", remedy="\ud800")) == r"a\x1b[31m\x00b\u202e; \ud800"
    huge = str(CamfError("x" * 5_000_000, expected="y" * 5_000_000, remedy="z" * 5_000_000))
    assert len(huge) < 2100
    assert huge.startswith("xxx")
    assert "x [...] x" in huge
    assert "x; expected yyy" in huge
    assert str(CamfError(f"{'x' * 5000} is too long")).endswith("x is too long")
    assert "Köln 25 °C … 猫" in str(CamfError("Köln 25 °C … 猫"))


def test_what_to_install() -> None:
    missing = ModuleNotFoundError("No module named 'lz4.frame'", name="lz4.frame")
    assert to_install(missing) == to_install(missing, "pip install rosbags", own={"rosbags"}) == "pip install lz4"
    assert to_install(ModuleNotFoundError("", name="cv2")) == "pip install opencv-python-headless"
    assert to_install(ModuleNotFoundError("", name="a.b"), "as the page says", own={"a"}) == "as the page says"
    # It is there, and does not load.
    assert to_install(ImportError("cannot open libGL.so", name="cv2"), "apt install libgl1") == "apt install libgl1"


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
