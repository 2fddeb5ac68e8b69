"""The history of generated images."""

import math
import random

import pytest
import torch

from util.image_pool import ImagePool, pools_of

SIZE = 50


@pytest.fixture(autouse=True)
def repeatable():
    random.seed(7)


def numbered(*numbers):
    """A batch of images (1, 2, 2) whose pixels all equal their number."""
    return torch.tensor(numbers, dtype=torch.float).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


def numbers(images):
    return [int(image.flatten()[0]) for image in images]


def filled(size=SIZE):
    pool = ImagePool(size)
    for n in range(size):
        assert numbers(pool.query(numbered(n))) == [n]
    return pool


def within(count, n, p, sigmas=4.5):
    """True if ``count`` of ``n`` trials is a likely outcome at probability ``p``."""
    return abs(count - n * p) <= sigmas * math.sqrt(n * p * (1 - p))


def test_the_first_images_come_back_unchanged():
    pool = ImagePool(SIZE)
    for n in range(SIZE):
        image = torch.rand(1, 3, 4, 4)
        assert torch.equal(pool.query(image), image)
        assert len(pool.images) == n + 1


def test_without_a_pool_images_pass():
    pool = ImagePool(0)
    for n in range(5):
        image = numbered(n, -n)
        assert torch.equal(pool.query(image), image)
    assert pool.images == []


def test_afterwards_half_are_old_ones_and_the_new_takes_their_place():
    pool, trials, olds = filled(), 6000, 0
    slots = [0] * SIZE
    for n in range(SIZE, SIZE + trials):
        before = numbers(pool.images)
        shown = numbers(pool.query(numbered(n)))[0]
        after = numbers(pool.images)
        if shown == n:
            assert after == before
            continue
        olds += 1
        slot = before.index(shown)
        slots[slot] += 1
        assert after == before[:slot] + [n] + before[slot + 1 :]
    assert within(olds, trials, 0.5)
    assert all(within(count, olds, 1 / SIZE) for count in slots)
    expected = olds / SIZE
    chi_squared = sum((count - expected) ** 2 / expected for count in slots)
    assert abs(chi_squared - (SIZE - 1)) < 4.5 * math.sqrt(2 * (SIZE - 1))


def test_choices_of_successive_images_are_independent():
    pool, trials = filled(), 4000
    old = [numbers(pool.query(numbered(n)))[0] != n for n in range(SIZE, SIZE + trials)]
    repeats = sum(a == b for a, b in zip(old, old[1:], strict=False))
    assert within(repeats, trials - 1, 0.5)


def test_each_image_of_a_batch_has_its_own_chance():
    pool = ImagePool(3)
    assert numbers(pool.query(numbered(0, 1))) == [0, 1]
    first, *rest = numbers(
        pool.query(numbered(2, 3, 4))
    )  # the pool is full after the first of these
    assert first == 2 and len(rest) == 2
    assert set(numbers(pool.images)) | {first, *rest} >= {0, 1, 2}
    pool, batches = filled(), 1500
    kinds = {(a, b): 0 for a in (False, True) for b in (False, True)}
    for n in range(batches):
        new = [1000 + 2 * n, 1001 + 2 * n]
        shown = numbers(pool.query(numbered(*new)))
        # The second may also be exchanged for the first, which has just been put into the pool.
        kinds[shown[0] != new[0], shown[1] != new[1]] += 1
    assert all(within(count, batches, 0.25) for count in kinds.values())


def test_a_batch_larger_than_the_pool():
    pool = ImagePool(2)
    shown = numbers(pool.query(numbered(*range(20))))
    assert shown[:2] == [0, 1] and len(shown) == 20
    assert all(s <= n for n, s in enumerate(shown))  # nothing from the future
    assert sorted(shown + numbers(pool.images)) == sorted(
        [*range(20), *shown[:2]]
    )  # nothing lost, nothing twice but those


def test_what_is_kept_and_shown_hangs_on_no_graph_and_shares_no_memory():
    pool = ImagePool(1)
    for _ in range(10):
        image = torch.rand(1, 1, 2, 2, requires_grad=True)
        made = image * 2
        shown = pool.query(made)
        assert not shown.requires_grad and not any(kept.requires_grad for kept in pool.images)
        kept = [k.clone() for k in pool.images]
        made.data.fill_(9)  # what a later step may do to its buffers
        assert all(torch.equal(a, b) for a, b in zip(pool.images, kept, strict=True))


def test_the_seed_decides():
    def shown(seed):
        pool = filled(5)
        random.seed(seed)
        return [numbers(pool.query(numbered(n)))[0] for n in range(5, 60)]

    assert shown(1) == shown(1) != shown(2)


def test_pools_in_lists_and_dicts_of_a_model():
    class Model:
        def __init__(self):
            self.one, self.name, self.sizes = ImagePool(1), "x", [1, 2]
            self.many, self.sides = [ImagePool(2), ImagePool(3)], {"A": ImagePool(4), "B": None}

    sizes = {name: pool.pool_size for name, pool in pools_of(Model()).items()}
    assert sizes == {"one": 1, "many.0": 2, "many.1": 3, "sides.A": 4}
