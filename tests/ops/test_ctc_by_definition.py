"""The CTC loss against a sum over all paths, and the beam search against one that keeps its books node by node."""

import itertools

import numpy as np
import pytest

from evergraph.ops.ctc.beam_search import Beam
from evergraph.ops.ctc.forward_backward import loss_and_gradient


def labelling(path, blank, merges_repeated):
    if merges_repeated:
        path = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
    return [label for label in path if label != blank]


def loss_over_all_paths(logits, labels, merges_repeated):
    y = np.exp(logits - logits.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    times, classes = logits.shape
    total = sum(
        np.prod(y[np.arange(times), path])
        for path in itertools.product(range(classes), repeat=times)
        if labelling(list(path), classes - 1, merges_repeated) == labels
    )
    return -np.log(total)


@pytest.mark.parametrize("merges_repeated", [True, False])
@pytest.mark.parametrize("labels", [[], [0], [1, 1], [0, 1, 0], [1, 0]])
def test_loss_is_that_of_all_paths_and_gradient_its_slope(labels, merges_repeated):
    state = np.random.RandomState(len(labels))
    logits = state.randn(5, 2, 3)
    lengths = np.array([5, 4])
    sequences = [np.array(labels, int), np.array([0], int)]
    loss, gradient = loss_and_gradient(logits.copy(), lengths, sequences, merges_repeated)
    for b, sequence in enumerate(sequences):
        expected = loss_over_all_paths(logits[: lengths[b], b], sequence.tolist(), merges_repeated)
        np.testing.assert_allclose(loss[b], expected, rtol=1e-9)
    direction = state.randn(*logits.shape)
    step = 1e-6
    up, down = (
        loss_and_gradient(logits + s * step * direction, lengths, sequences, merges_repeated)[0] for s in (1, -1)
    )
    np.testing.assert_allclose((gradient * direction).sum(), (up - down).sum() / (2 * step), rtol=1e-5)
    assert not gradient[4, 1].any()


class Node:
    """A beginning: its log probabilities now and one time ago, in all, with a blank last, with a label last."""

    def __init__(self, parent, label):
        self.parent, self.label, self.children = parent, label, {}
        self.old = self.new = (-np.inf,) * 3

    def labels(self):
        return [] if self.parent is None else [*self.parent.labels(), self.label]


def searched(logits, width):
    """The beam after a search that gives each node its children one by one."""
    root = Node(None, -1)
    root.new = (0.0, 0.0, -np.inf)
    beam = [root]

    def enters(total):
        return total > -np.inf and (len(beam) < width or total > min(n.new[0] for n in beam))

    for x in logits:
        log_y = x - x.max() - np.log(np.exp(x - x.max()).sum())
        nodes = sorted(beam, key=lambda n: -n.new[0])
        for node in nodes:
            node.old = node.new
        for node in nodes:
            label = node.new[2]
            if node.parent is not None:
                if node.parent.new[0] > -np.inf:
                    label = np.logaddexp(label, node.parent.old[node.label == node.parent.label])
                label += log_y[node.label]
            blank = node.old[0] + log_y[-1]
            node.new = (np.logaddexp(blank, label), blank, label)
        beam = nodes[:]
        for node in nodes:
            if not enters(node.old[0]):
                continue
            for label in range(len(log_y) - 1):
                child = node.children.setdefault(label, Node(node, label))
                if child.new[0] > -np.inf:
                    continue
                total = node.old[label == node.label] + log_y[label]
                if not enters(total):
                    child.old = child.new = (-np.inf,) * 3
                    continue
                if len(beam) == width:
                    worst = min(beam, key=lambda n: n.new[0])
                    worst.new = (-np.inf,) * 3
                    beam.remove(worst)
                child.new = (total, -np.inf, total)
                beam.append(child)
    return sorted(beam, key=lambda n: -n.new[0])


@pytest.mark.parametrize("seed", range(40))
def test_beam_holds_what_a_search_node_by_node_finds(seed):
    state = np.random.RandomState(seed)
    times, classes, width = state.randint(1, 12), state.randint(2, 7), state.choice([1, 2, 3, 5, 10, 30])
    logits = state.randn(times, classes) * state.choice([0.5, 1, 3])
    beam = Beam(width, np.dtype(np.float64))
    for x in logits:
        beam.step(x)
    expected = searched(logits, width)
    assert [beam.labels_of(i, False) for i in range(len(beam.total))] == [node.labels() for node in expected]
    np.testing.assert_allclose(beam.total, [node.new[0] for node in expected], rtol=1e-9)
