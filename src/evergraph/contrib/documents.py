"""`tf.contrib.learn.preprocessing`: documents as rows of numbers, one for each word or byte.

    fit(["a cat", "a dog"])   ──►   "<UNK>" 0   "a" 1   "cat" 2   "dog" 3
    transform(["a bird"])     ──►   [1, 0, 0, ...]

Of `tf.contrib.learn` there is this and `ModeKeys`; its estimators are not there.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from evergraph.formats import files
from evergraph.framework.api import public
from evergraph.framework.convert import as_text

_UNKNOWN = 0
# Words in capitals, the parts of names in camel case, and other runs of letters, digits, dashes and apostrophes.
_WORDS = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|['\w\-]+")


@public("contrib.learn.ModeKeys")
class ModeKeys:
    """What a model is built for, as `tf.contrib.learn` calls it."""

    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"


@public("contrib.learn.preprocessing.tokenizer")
def tokenizer(iterator: Iterable[str]) -> Iterator[list[str]]:
    """The words of each document.

    >>> list(tf.contrib.learn.preprocessing.tokenizer(["It's a HTTPServer, isn't it?"]))
    [["It's", 'a', 'HTTP', 'Server', "isn't", 'it']]
    """
    for document in iterator:
        yield _WORDS.findall(document)


@public("contrib.learn.preprocessing.CategoricalVocabulary")
class CategoricalVocabulary:
    """Numbers for words, or for other things: 1 for the first that comes, and so on; 0 stands for unknown ones.

    Args:
        unknown_token: what `reverse` calls an unknown one.
        support_reverse: whether `reverse` can be asked.
    """

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True) -> None:
        self._unknown_token, self._support_reverse = unknown_token, support_reverse
        self._mapping: dict[Any, int] = {unknown_token: _UNKNOWN}
        self._reverse_mapping: list[Any] = [unknown_token]
        self._freq: dict[Any, int] = {}
        self._freeze = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Take no new words from now on; or, with False, take them again."""
        self._freeze = freeze

    def get(self, category: Any) -> int:
        """The number of a word. A new word gets the next one, or 0 in a frozen vocabulary."""
        number = self._mapping.get(category)
        if number is None:
            if self._freeze:
                return _UNKNOWN
            number = self._mapping[category] = len(self._mapping)
            self._reverse_mapping.append(category)
        return number

    def add(self, category: Any, count: int = 1) -> None:
        """Note that a word came `count` times more."""
        if self.get(category) != _UNKNOWN:
            self._freq[category] = self._freq.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keep the words that came more than `min_frequency` times, and less than `max_frequency` times if that is
        positive. The most frequent one becomes 1; of equally frequent ones, the first in the alphabet comes first."""
        ordered = sorted(self._freq.items(), key=lambda entry: (-entry[1], isinstance(entry[0], str), entry[0]))
        kept = [(w, n) for w, n in ordered if n > min_frequency and (max_frequency <= 0 or n < max_frequency)]
        self._reverse_mapping = [self._unknown_token, *(word for word, _ in kept)]
        self._mapping = {word: number for number, word in enumerate(self._reverse_mapping)}
        self._freq = dict(kept)

    def reverse(self, class_id: int) -> Any:
        """The word that has a number.

        Raises:
            ValueError: if the vocabulary was made without `support_reverse`.
            IndexError: if no word has it.
        """
        if not self._support_reverse:
            raise ValueError("This vocabulary wasn't initialized with support_reverse to support reverse() function.")
        return self._reverse_mapping[class_id]


@public("contrib.learn.preprocessing.VocabularyProcessor")
class VocabularyProcessor:
    """Documents as rows of the numbers of their words, all of one length.

    Args:
        max_document_length: how many numbers a row has: longer documents are cut off, shorter ones end in zeros.
        min_frequency: `fit` keeps the words that come more often than this, if it is positive.
        vocabulary: a `CategoricalVocabulary`; by default a new one.
        tokenizer_fn: gives the words of each of some documents; by default `tokenizer`.

    >>> words = tf.contrib.learn.preprocessing.VocabularyProcessor(4)
    >>> [row.tolist() for row in words.fit_transform(["the cat sat", "the dog sat on the cat"])]
    [[1, 2, 3, 0], [1, 4, 3, 5]]
    """

    def __init__(
        self,
        max_document_length: int,
        min_frequency: int = 0,
        vocabulary: CategoricalVocabulary | None = None,
        tokenizer_fn: Callable[[Iterable[Any]], Iterable[Iterable[Any]]] | None = None,
    ) -> None:
        self.max_document_length, self.min_frequency = max_document_length, min_frequency
        self.vocabulary_ = CategoricalVocabulary() if vocabulary is None else vocabulary
        self._tokenizer = tokenizer if tokenizer_fn is None else tokenizer_fn

    def fit(self, raw_documents: Iterable[Any], unused_y: Any = None) -> VocabularyProcessor:
        """Learn the words of some documents. The vocabulary takes no others afterwards."""
        for words in self._tokenizer(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents: Iterable[Any], unused_y: Any = None) -> Iterator[np.ndarray]:
        """`fit`, then `transform`."""
        self.fit(raw_documents)
        return self.transform(raw_documents)

    def transform(self, raw_documents: Iterable[Any]) -> Iterator[np.ndarray]:
        """The rows, int64, one document after the other."""
        for words in self._tokenizer(raw_documents):
            row = np.zeros(self.max_document_length, np.int64)
            for place, word in zip(range(self.max_document_length), words):
                row[place] = self.vocabulary_.get(word)
            yield row

    def reverse(self, documents: Iterable[Iterable[int]]) -> Iterator[str]:
        """The words of rows, with spaces between them."""
        for row in documents:
            yield " ".join(self.vocabulary_.reverse(number) for number in row)

    def save(self, filename: Any) -> None:
        """Pickle this to a file."""
        files.write_file(as_text(filename), pickle.dumps(self))

    @classmethod
    def restore(cls, filename: Any) -> VocabularyProcessor:
        """What `save` wrote, here or in TensorFlow 1.15.

        As any pickle, a file may run what it likes: do not open one of strangers.
        """
        restored: VocabularyProcessor = _Unpickler(io.BytesIO(files.read_file(as_text(filename)))).load()
        return restored


class _Unpickler(pickle.Unpickler):
    """Reads what TensorFlow 1.15 saved, too."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name.partition(".")[0] in ("tensorflow", "tensorflow_core") and ".preprocessing." in module_name:
            return globals()[global_name]
        return super().find_class(module_name, global_name)


@public("contrib.learn.preprocessing.ByteProcessor")
class ByteProcessor:
    """Documents as rows of their bytes in UTF-8, all of one length.

    Args:
        max_document_length: how many bytes a row has: longer documents are cut off, shorter ones end in zeros.

    >>> [row.tolist() for row in tf.contrib.learn.preprocessing.ByteProcessor(4).transform(["abcde", b"f"])]
    [[97, 98, 99, 100], [102, 0, 0, 0]]
    """

    def __init__(self, max_document_length: int) -> None:
        self.max_document_length = max_document_length

    def fit(self, x: Any) -> None:
        """Nothing: there is nothing to learn."""

    def fit_transform(self, x: Iterable[str | bytes]) -> Iterator[np.ndarray]:
        """`transform`."""
        return self.transform(x)

    def transform(self, x: Iterable[str | bytes]) -> Iterator[np.ndarray]:
        """The rows, uint8, one document after the other."""
        for document in x:
            given = document.encode() if isinstance(document, str) else document
            row = np.zeros(self.max_document_length, np.uint8)
            row[: len(given)] = np.frombuffer(given, np.uint8, min(len(given), len(row)))
            yield row

    def reverse(self, x: Iterable[np.ndarray]) -> Iterator[str]:
        """The text of rows; nothing for one that is no UTF-8."""
        for row in x:
            document = np.asarray(row).astype(np.uint8).tobytes().rstrip(b"\0")
            try:
                yield document.decode()
            except UnicodeDecodeError:
                yield ""
