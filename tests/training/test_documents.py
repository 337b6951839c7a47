"""`tf.contrib.learn.preprocessing` against what TensorFlow 1.15.5 gave for the same documents."""

import base64

import numpy as np
import pytest

import evergraph as tf

learn = tf.contrib.learn.preprocessing
DOCUMENTS = [
    "the cat sat on the mat",
    "The HTTPServer isn't up-to-date, is it?",
    "a dog and the cat",
    "zoo zoo zoo cafe café",
]
# What `save` of TensorFlow 1.15.5 wrote, after `fit(DOCUMENTS)`.
SAVED = base64.b64decode(
    "gANjdGVuc29yZmxvdy5jb250cmliLmxlYXJuLnB5dGhvbi5sZWFybi5wcmVwcm9jZXNzaW5nLnRleHQKVm9jYWJ1bGFyeVByb2Nl"
    "c3NvcgpxACmBcQF9cQIoWBMAAABtYXhfZG9jdW1lbnRfbGVuZ3RocQNLBlgNAAAAbWluX2ZyZXF1ZW5jeXEESwBYCwAAAHZvY2Fi"
    "dWxhcnlfcQVjdGVuc29yZmxvdy5jb250cmliLmxlYXJuLnB5dGhvbi5sZWFybi5wcmVwcm9jZXNzaW5nLmNhdGVnb3JpY2FsX3Zv"
    "Y2FidWxhcnkKQ2F0ZWdvcmljYWxWb2NhYnVsYXJ5CnEGKYFxB31xCChYDgAAAF91bmtub3duX3Rva2VucQlYBQAAADxVTks+cQpY"
    "CAAAAF9tYXBwaW5ncQt9cQwoaApLAFgDAAAAdGhlcQ1LAVgDAAAAY2F0cQ5LAlgDAAAAc2F0cQ9LA1gCAAAAb25xEEsEWAMAAABt"
    "YXRxEUsFWAMAAABUaGVxEksGWAQAAABIVFRQcRNLB1gGAAAAU2VydmVycRRLCFgFAAAAaXNuJ3RxFUsJWAoAAAB1cC10by1kYXRl"
    "cRZLClgCAAAAaXNxF0sLWAIAAABpdHEYSwxYAQAAAGFxGUsNWAMAAABkb2dxGksOWAMAAABhbmRxG0sPWAMAAAB6b29xHEsQWAQA"
    "AABjYWZlcR1LEVgFAAAAY2Fmw6lxHksSdVgQAAAAX3N1cHBvcnRfcmV2ZXJzZXEfiFgQAAAAX3JldmVyc2VfbWFwcGluZ3EgXXEh"
    "KGgKaA1oDmgPaBBoEWgSaBNoFGgVaBZoF2gYaBloGmgbaBxoHWgeZVgFAAAAX2ZyZXFxImNjb2xsZWN0aW9ucwpkZWZhdWx0ZGlj"
    "dApxI2NidWlsdGlucwppbnQKcSSFcSVScSYoaA1LA2gOSwJoD0sBaBBLAWgRSwFoEksBaBNLAWgUSwFoFUsBaBZLAWgXSwFoGEsB"
    "aBlLAWgaSwFoG0sBaBxLA2gdSwFoHksBdVgHAAAAX2ZyZWV6ZXEniHViWAoAAABfdG9rZW5pemVycShjdGVuc29yZmxvdy5jb250"
    "cmliLmxlYXJuLnB5dGhvbi5sZWFybi5wcmVwcm9jZXNzaW5nLnRleHQKdG9rZW5pemVyCnEpdWIu"
)


def rows(found):
    return [row.tolist() for row in found]


def test_words():
    words = learn.VocabularyProcessor(6)
    found = list(words.fit_transform(DOCUMENTS))
    assert found[0].dtype == np.int64
    assert rows(found) == [[1, 2, 3, 4, 1, 5], [6, 7, 8, 9, 10, 11], [13, 14, 15, 1, 2, 0], [16, 16, 16, 17, 18, 0]]
    assert len(words.vocabulary_) == 19
    assert list(words.reverse(words.transform(DOCUMENTS[:2]))) == [
        "the cat sat on the mat",
        "The HTTP Server isn't up-to-date is",
    ]
    assert rows(words.transform(["a bird"])) == [[13, 0, 0, 0, 0, 0]]


def test_rare_and_frequent_words_can_be_left_out():
    words = learn.VocabularyProcessor(6, min_frequency=1)
    assert rows(words.fit_transform(DOCUMENTS)) == [
        [1, 3, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 3, 0],
        [2, 2, 2, 0, 0, 0],
    ]
    assert list(words.reverse([range(len(words.vocabulary_))])) == ["<UNK> the zoo cat"]
    vocabulary = learn.CategoricalVocabulary()
    for word in "b b a c c c d".split():
        vocabulary.add(word)
    vocabulary.trim(0, 3)
    assert [vocabulary.get(word) for word in "abcd"] == [2, 1, 4, 3]


def test_bytes():
    documents = learn.ByteProcessor(8)
    assert rows(documents.transform(DOCUMENTS)) == [
        [116, 104, 101, 32, 99, 97, 116, 32],
        [84, 104, 101, 32, 72, 84, 84, 80],
        [97, 32, 100, 111, 103, 32, 97, 110],
        [122, 111, 111, 32, 122, 111, 111, 32],
    ]
    assert list(documents.reverse(documents.fit_transform(["café", b"abc", b"\xff"]))) == ["café", "abc", ""]


def test_files(tmp_path):
    path = str(tmp_path / "vocabulary")
    with open(path, "wb") as file:
        file.write(SAVED)
    for _ in range(2):
        words = learn.VocabularyProcessor.restore(path)
        assert rows(words.transform(DOCUMENTS[:1])) == [[1, 2, 3, 4, 1, 5]]
        assert list(words.reverse([[1, 2]])) == ["the cat"]
        words.save(path)


def test_a_vocabulary_without_the_way_back():
    vocabulary = learn.CategoricalVocabulary(support_reverse=False)
    with pytest.raises(ValueError, match="support_reverse"):
        vocabulary.reverse(0)


def test_modes():
    modes = tf.contrib.learn.ModeKeys
    assert (modes.TRAIN, modes.EVAL, modes.INFER) == ("train", "eval", "infer")
