"""The corpus `phrases.txt` is understood, except for the phrases it marks as beyond us."""

import pytest

from tests.unit.worker.language.corpus import Phrase, corpus, is_right, understood

UNDERSTOOD = 0.95
"""The least share."""
CORPUS = corpus()
KNOWN = [phrase for phrase in CORPUS if not phrase.beyond_us]


def test_the_corpus_is_large_enough_and_has_no_phrase_twice() -> None:
    assert len({(phrase.skill, phrase.typed) for phrase in CORPUS}) == len(CORPUS) >= 300


@pytest.mark.parametrize("phrase", KNOWN, ids=lambda phrase: phrase.typed)
def test_a_phrase_is_understood(phrase: Phrase) -> None:
    assert is_right(phrase), understood(phrase)


def test_the_share_of_understood_phrases_is_as_documented() -> None:
    right = [phrase for phrase in CORPUS if is_right(phrase)]
    assert len(right) / len(CORPUS) >= UNDERSTOOD


@pytest.mark.parametrize(
    "phrase", [p for p in CORPUS if p.beyond_us], ids=lambda phrase: phrase.typed
)
def test_a_phrase_marked_as_beyond_us_is(phrase: Phrase) -> None:
    assert not is_right(phrase)
