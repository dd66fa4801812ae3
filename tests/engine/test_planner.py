from finerank.engine.job import Job
from finerank.engine.planner import Planner
from finerank.models.base import EncodedPair


def _job(*lengths: int, max_pairs: int = 0, key: str | None = None, shared: int = 0) -> Job:
    pairs = [EncodedPair(None, length, length, False, key, shared) for length in lengths]
    return Job(pairs, max_pairs=max_pairs)


def _drain(planner: Planner, jobs: list[Job]) -> list[list[tuple[int, int]]]:
    batches = []
    while any(job.has_waiting for job in jobs):
        batch = planner.next_batch(jobs)
        batches.append([(jobs.index(job), index) for job, index in batch.members])
    return batches


def test_every_pair_runs_once_within_the_budget() -> None:
    jobs = [_job(*[7] * 20), _job(*[30] * 5), _job(3)]
    lengths = [[7] * 20, [30] * 5, [3]]
    batches = _drain(Planner(max_tokens=64), jobs)
    members = [member for batch in batches for member in batch]
    assert sorted(members) == [(job, index) for job in range(3) for index in range(len(lengths[job]))]
    assert all(sum(lengths[job][index] for job, index in batch) <= 64 for batch in batches)


def test_a_pair_larger_than_the_budget_runs_alone() -> None:
    assert _drain(Planner(max_tokens=10), [_job(50, 4)]) == [[(0, 0)], [(0, 1)]]


def test_a_small_call_is_not_starved_by_a_large_one() -> None:
    batches = _drain(Planner(max_tokens=100), [_job(*[10] * 1000), _job(*[10] * 5)])
    last_of_small = max(number for number, batch in enumerate(batches) if any(job == 1 for job, _ in batch))
    assert last_of_small <= 1


def test_batch_size_bounds_one_callers_share() -> None:
    batches = _drain(Planner(max_tokens=1000), [_job(*[1] * 7, max_pairs=3), _job(*[1] * 4)])
    assert all(sum(job == 0 for job, _ in batch) <= 3 for batch in batches)


def test_max_pairs_bounds_a_batch() -> None:
    assert all(len(batch) == 1 for batch in _drain(Planner(max_tokens=1000, max_pairs=1), [_job(1, 1), _job(1)]))


def test_a_shared_prefix_counts_once() -> None:
    (batch,) = _drain(Planner(max_tokens=60), [_job(*[5] * 8, key="prefix", shared=20)])
    assert len(batch) == 8


def test_the_longest_pair_of_a_prefix_runs_first_whichever_object_its_key_is() -> None:
    """Two tuples that are equal are one prefix: a model may make its key anew for every document."""
    keys = [tuple(name * 2) for name in "aababb"]
    pairs = [
        EncodedPair(None, length, length, False, key) for length, key in zip((3, 9, 5, 4, 1, 8), keys, strict=True)
    ]
    job = Job(pairs)
    assert [job.take() for _ in pairs] == [1, 3, 0, 5, 2, 4]


def test_cancelled_calls_leave_the_queue() -> None:
    job = _job(1, 2, 3)
    job.cancel()
    assert not Planner(max_tokens=100).next_batch([job]).members


def test_calls_of_like_size_are_answered_in_order() -> None:
    batches = _drain(Planner(max_tokens=100), [_job(*[10] * 5) for _ in range(20)])
    ends = [
        max(number for number, batch in enumerate(batches) if any(job == each for job, _ in batch))
        for each in range(20)
    ]
    assert ends == sorted(ends)
    assert ends[0] == 0


def test_a_large_call_goes_on_while_small_ones_keep_coming() -> None:
    large, planner = _job(*[10] * 50), Planner(max_tokens=100)
    batches = 0
    while large.has_waiting:
        planner.next_batch([large, *[_job(*[10] * 5) for _ in range(10)]])
        batches += 1
    assert batches <= 10


def test_only_much_smaller_calls_pass_a_batch() -> None:
    planner = Planner(max_tokens=100)
    large, small, middling = _job(*[10] * 80), _job(*[10] * 4), _job(*[10] * 40)
    running = planner.next_batch([large])
    passing = planner.small_calls([large, middling, small], running, 0)
    assert [job for job, _ in passing.members] == [small] * 4


def test_small_calls_take_no_more_than_the_batch_they_pass() -> None:
    planner = Planner(max_tokens=100)
    running = planner.next_batch([_job(*[10] * 1000)])
    lent = 0
    while (batch := planner.small_calls([_job(*[10] * 4)], running, lent)).members:
        lent += batch.num_tokens
    assert 60 <= lent <= 100


def test_pairs_of_one_query_stay_together_the_longest_first() -> None:
    keys, asked = [("first",), ("second",)], [(0, 3), (1, 9), (0, 7), (1, 2)]
    job = Job([EncodedPair(None, length, length, False, keys[query], 5) for query, length in asked])
    assert [job.take() for _ in asked] == [2, 0, 1, 3]
