"""Pages of a list that filters as it reads."""

from hypothesis import example, given
from hypothesis import strategies as st

from service.paging import take

READ_MAX = 1_000


class Numbers:
    """A list of numbers, which counts how many of them were read, and how often."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = sorted(set(numbers))
        self.read_count = 0
        self.query_count = 0

    def after(self, position: int, limit: int) -> list[int]:
        """Return the next numbers after a position."""
        assert limit >= 1
        found = [number for number in self.numbers if number > position][:limit]
        self.read_count += len(found)
        self.query_count += 1
        return found


@given(
    numbers=st.lists(st.integers(0, 500), max_size=60) | st.just(list(range(2_500))),
    modulus=st.sampled_from([1, 2, 7, 600, 10_000]),
    page_size=st.sampled_from([1, 2, 3, 10, 1_000, 5_000]),
)
@example(numbers=list(range(2_000)), modulus=10_000, page_size=3)
def test_pages_show_every_wanted_item_once_with_bounded_reads(numbers: list[int], modulus: int, page_size: int) -> None:
    """In order, none twice, none passed over, and never more than 1,000 rows for one page."""
    source = Numbers(numbers)
    shown: list[int] = []
    position: int | None = -1
    while position is not None:
        source.read_count = 0
        page = take(
            source.after,
            start=position,
            position_of=lambda number: number,
            wanted=lambda number: number % modulus == 0,
            page_size=page_size,
        )
        shown += page.items
        assert len(page.items) <= page_size
        assert source.read_count <= READ_MAX
        assert page.next_position is None or page.next_position > position
        assert page.next_position is None or all(number <= page.next_position for number in page.items)
        position = page.next_position

    assert [number for number in source.numbers if number % modulus == 0] == shown


def test_last_page_that_is_full_says_that_it_is_the_last() -> None:
    """One more row is read than the page shows, so that nobody asks for an empty page."""
    page = take(
        Numbers([1, 2, 3]).after, start=0, position_of=lambda number: number, wanted=lambda _: True, page_size=3
    )

    assert ([1, 2, 3], None) == (page.items, page.next_position)


def test_page_may_be_empty_and_have_a_next_one() -> None:
    """Where nothing in 1,000 rows is wanted, the caller goes on from there."""
    page = take(
        Numbers(list(range(1, 1_500))).after,
        start=0,
        position_of=lambda number: number,
        wanted=lambda number: number > 1_200,
        page_size=10,
    )

    assert ([], 1_000) == (page.items, page.next_position)


def test_small_page_of_a_sparse_list_takes_few_queries() -> None:
    """Each reads 100 rows at least, however few of them the page will show."""
    source = Numbers(list(range(1, 2_000)))

    page = take(
        source.after,
        start=0,
        position_of=lambda number: number,
        wanted=lambda number: number == 1_000,
        page_size=1,
    )

    assert ([1_000], 1_000) == (page.items, page.next_position)
    assert 10 == source.query_count
