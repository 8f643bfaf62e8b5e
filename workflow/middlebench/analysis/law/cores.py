"""The paper's explanation of the knee, as many middleboxes as the server has cores, judged with the knees."""

from __future__ import annotations

from middlebench.analysis.claims.findings import Verdict, graded
from middlebench.analysis.law.results import Law
from middlebench.system.text import plural


def judge_cores(law: Law, cores: int | None) -> tuple[Verdict, str]:
    """Return whether a chain keeps its rate up to as many middleboxes as there are cores, and why.

    Reproduced when the interval of every knee holds that number; the same shape when that of at least half does, and
    the knee does not move with the frame size, as cores do not: any two intervals have a number in common.
    """
    if cores is None:
        return Verdict.NOT_TESTABLE, "How many processors the server has is not known."
    if not law.knee or max(law.chain_lengths) <= cores:
        return Verdict.NOT_TESTABLE, f"No chain longer than the server's {plural(cores, 'core')} was measured."
    sizes = sorted(law.knee, key=int)
    holding = sum(each.low <= cores <= each.high for each in law.knee.values())
    at_cores = sum(each.n == cores for each in law.knee.values())
    moves = max(each.low for each in law.knee.values()) > min(each.high for each in law.knee.values())
    verdict = graded(holding == len(sizes), 2 * holding >= len(sizes) and not moves)
    first, last = law.knee[sizes[0]].n, law.knee[sizes[-1]].n
    return verdict, (
        f"The knee is {first} at {sizes[0]} B and {last} at {sizes[-1]} B. Of {plural(len(sizes), 'frame size')}, it "
        f"is {cores}, the number of cores, at {at_cores}, and its interval holds that number at {holding}."
    )
