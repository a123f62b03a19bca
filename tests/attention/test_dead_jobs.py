"""A job that is dead needs somebody until it is tried again, or put aside."""

from dataclasses import replace

from core.models.attention import Kind
from core.services import jobs, statistics
from core.ui.attention import JOBS, concerns
from tests.attention.conftest import LWB, found
from tests.jobs.conftest import Bench, bench  # noqa: F401 - fixtures


def test_a_dead_job_is_told_with_the_way_to_it_until_somebody_sees_to_it(bench: Bench) -> None:  # noqa: F811
    assert Kind.DEAD_JOBS not in found(bench.administrator)
    job = bench.dead()
    told = found(bench.administrator)[Kind.DEAD_JOBS]
    assert (told.weight, told.owner) == (1, "Administrator")
    assert told.since is not None
    assert Kind.DEAD_JOBS not in found(replace(bench.administrator, billers=frozenset({LWB})))
    (said,) = [one for one in concerns(statistics.attention(bench.administrator)) if one.finding.kind is Kind.DEAD_JOBS]
    assert (said.page, said.address) == (JOBS, {"state": "dead"})
    jobs.cancel(bench.administrator, job)
    assert Kind.DEAD_JOBS not in found(bench.administrator)
