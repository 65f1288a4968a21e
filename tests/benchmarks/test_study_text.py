"""The text of the language model's study: parts that share nothing, windows whose labels come next."""

from __future__ import annotations

from pydoc_data.topics import topics

import numpy as np

from tests.benchmarks.study_text import CHARACTERS, LENGTH, held_out, texts, train, windows


def test_each_topic_is_in_one_part() -> None:
    parts = texts()
    assert sum(map(len, parts.values())) == sum(map(len, topics.values()))
    assert all(sum(text in part for part in parts.values()) >= 1 for text in topics.values())
    shares = [len(part) / sum(map(len, parts.values())) for part in parts.values()]
    assert shares[0] > 0.7
    assert min(shares) > 0.03


def test_labels_are_the_characters_that_follow() -> None:
    inputs, labels = windows("ab" * LENGTH + "\u2713")
    assert inputs.shape == labels.shape == (2, LENGTH)
    assert "".join(CHARACTERS[index] for index in inputs[0, :4]) == "abab"
    assert np.array_equal(inputs[0, 1:], labels[0, :-1])
    assert CHARACTERS[labels[1, -1]] == "?", "what is no plain character counts as a question mark"


def test_all_parts_have_windows() -> None:
    for inputs, labels in (*train().values(), held_out()):
        assert len(inputs) > 100
        assert inputs.dtype == labels.dtype == np.int64
        assert labels.max() < len(CHARACTERS)
