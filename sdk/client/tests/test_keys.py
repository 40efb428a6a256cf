"""API keys: what is accepted, what is refused, and that they stay hidden."""

from __future__ import annotations

import pickle
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trophenix.keys import ApiKey, Environment, KeyMalformed, assemble, checksum

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
environments: st.SearchStrategy[Environment] = st.sampled_from(["production", "sandbox"])
secrets = st.text(BASE62, min_size=32, max_size=32)
keys = st.builds(assemble, environments, secrets)


def test_checksum_is_the_crc32_check_value_in_base62() -> None:
    """CRC-32 of "123456789" is 0xCBF43926 = 3 421 780 262 in every catalogue of CRCs."""
    digits = [3, 45, 35, 27, 22, 14]
    value = 0
    for digit in digits:
        value = value * 62 + digit

    assert checksum("123456789") == "".join(BASE62[digit] for digit in digits)
    assert value == 0xCBF43926


@given(environments, secrets)
def test_every_assembled_key_is_accepted(environment: Environment, secret: str) -> None:
    text = assemble(environment, secret)

    key = ApiKey.checked(text)

    assert (key.reveal(), key.environment) == (text, environment)


@given(keys, st.data())
def test_no_key_with_one_wrong_character_is_accepted(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(BASE62 + "_- ").filter(lambda c: c != text[place]))

    with pytest.raises(KeyMalformed):
        ApiKey.checked(text[:place] + other + text[place + 1 :])


@given(keys, st.data())
def test_no_key_with_two_swapped_neighbours_is_accepted(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 2))
    first, second = text[place], text[place + 1]
    assume(first != second)

    with pytest.raises(KeyMalformed):
        ApiKey.checked(text[:place] + second + first + text[place + 2 :])


@given(keys, st.data())
def test_no_cut_or_padded_key_is_accepted(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    padded = text + data.draw(st.sampled_from([" ", "\n", "0", "="]))

    for wrong in (cut, padded):
        with pytest.raises(KeyMalformed):
            ApiKey.checked(wrong)


@given(st.one_of(keys, st.text(BASE62 + "-._~+/", min_size=20)))
def test_a_key_shows_itself_only_when_asked(text: str) -> None:
    key = ApiKey.unchecked(text)

    shown = f"{key} {key!r} {key!s:>80} {[key]}"

    assert text not in shown
    assert key.reveal() == text
    assert text not in key.redact(f"Bearer {text} is unknown")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@given(keys, st.sampled_from(["\n", "\r\nX-Evil: 1", " ", "\0", "é"]))
def test_even_an_unchecked_key_cannot_break_the_header(text: str, poison: str) -> None:
    with pytest.raises(KeyMalformed) as refused:
        ApiKey.unchecked(text + poison)

    assert text not in str(refused.value)


@pytest.mark.parametrize("secret", ["", "a" * 31, "a" * 33, "é" * 32, "_" * 32])
def test_assemble_refuses_what_is_no_secret(secret: str) -> None:
    with pytest.raises(KeyMalformed):
        assemble("production", secret)
