"""The verdicts for readers: claim by claim in a table, in words, and what each verdict asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import pandas as pd

from middlebench.analysis.claims.findings import Verdict
from middlebench.analysis.claims.kinds import KINDS
from middlebench.analysis.claims.verdicts import Judgement
from middlebench.analysis.data.publications import is_published
from middlebench.analysis.tables.html import render
from middlebench.analysis.tables.table import Table, to_csv, to_latex, to_markdown
from middlebench.system.files import write_text


def claims_table(judgements: Sequence[Judgement], reference: Sequence[Judgement], testbed: str) -> Table:
    """Return every verdict with all of its figures, a column each; ``reference`` is what its own tables say."""
    rows = [
        {
            **mine.claim.model_dump(include={"id", "claim", "place", "stated", "reading"}),
            "test": mine.claim.test.kind,
            "published_figure": published.finding.figure,
            "published_verdict": str(published.finding.verdict),
            "figure": mine.finding.figure,
            "low": mine.interval.low if mine.interval else float("nan"),
            "high": mine.interval.high if mine.interval else float("nan"),
            "unit": mine.finding.unit or published.finding.unit,
            "repetitions": mine.repetitions,
            "agreeing": mine.agreeing,
            "verdict": str(mine.finding.verdict),
            "evidence": mine.finding.evidence,
        }
        for mine, published in zip(judgements, reference, strict=True)
    ]
    headings = {name: name for name in rows[0]} if rows else {}
    return Table(pd.DataFrame(rows), headings, _caption(testbed))


def readers_table(judgements: Sequence[Judgement], reference: Sequence[Judgement], testbed: str) -> Table:
    """Return the verdicts in a form that fits on a page; the arguments are those of :func:`claims_table`."""
    own = judgements is reference
    rows = [
        {
            "claim": f"{mine.claim.claim} ({mine.claim.place})",
            "stated": mine.claim.stated,
            **({} if own else {"published": f"{shown(published)}: {published.finding.verdict}"}),
            "figure": shown(mine),
            "verdict": str(mine.finding.verdict) + agreement(mine),
        }
        for mine, published in zip(judgements, reference, strict=True)
    ]
    headings = {
        "claim": "Claim",
        "stated": "The publication's text",
        **({} if own else {"published": "The publication's tables"}),
        "figure": "The publication's tables" if own else f"Testbed {testbed}",
        "verdict": "Verdict",
    }
    widths = {"claim": 0.38, "stated": 0.13, "published": 0.15, "figure": 0.15, "verdict": 0.11}
    return Table(pd.DataFrame(rows), headings, _caption(testbed), widths)


def write_claims(
    judgements: Sequence[Judgement], reference: Sequence[Judgement], testbed: str, folder: Path, name: str
) -> None:
    """Write ``name.csv`` with every figure, and ``name.md`` and ``name.tex`` for readers."""
    table = readers_table(judgements, reference, testbed)
    write_text(folder / f"{name}.csv", to_csv(claims_table(judgements, reference, testbed)))
    write_text(folder / f"{name}.md", to_markdown(table))
    write_text(folder / f"{name}.tex", to_latex(table))


def to_html(judgements: Sequence[Judgement], reference: Sequence[Judgement], testbed: str) -> str:
    """Return the verdicts as an HTML table that fits on a page; arguments as before.

    A click on a claim opens its place in the publication, how its words were made testable, and the figures behind it.
    """
    own = judgements is reference
    heads = ["Claim", "The publication’s text", "The publication’s tables", *([] if own else [f"Testbed {testbed}"])]
    pairs = zip(judgements, reference, strict=True)
    rows = [(mine, [published] if own else [published, mine]) for mine, published in pairs]
    return render("claims", caption=_caption(testbed), heads=heads, rows=rows, shown=shown, agreement=agreement)


def bars_table(judgements: Sequence[Judgement]) -> Table:
    """Return what the verdicts of each kind of test ask for, of the kinds that were used."""
    used = {type(judgement.claim.test) for judgement in judgements}
    rows = [
        (
            *(kind.__name__.lower(), str(kind.__doc__).split("\n", 1)[0]),
            *(kind.bars.reproduced, kind.bars.same_shape or "no such verdict"),
        )
        for kind in KINDS
        if kind in used
    ]
    headings = {"kind": "Test", "idea": "The claim", "reproduced": "Reproduced", "same_shape": "Same shape only"}
    widths = {"kind": 0.1, "idea": 0.25, "reproduced": 0.3, "same_shape": 0.3}
    return Table.of(rows, headings, "What each verdict asks for", widths=widths)


def describe(judgements: Sequence[Judgement], testbed: str) -> str:
    """Return in a sentence how many claims got which verdict."""
    counts = Counter(judgement.finding.verdict for judgement in judgements)
    listed = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"Of the publication's {len(judgements)} claims, put to {_called(testbed)}: {listed}."


def exceptions(judgements: Sequence[Judgement]) -> str:
    """Return as a Markdown list the claims that a dataset does not fully bear out, with the figures."""
    return "\n".join(
        f"- **{judgement.finding.verdict}**: {judgement.claim.claim} *{judgement.finding.evidence}.*"
        for judgement in judgements
        if judgement.finding.verdict is not Verdict.REPRODUCED
    )


def shown(judgement: Judgement) -> str:
    """Return the figure behind a verdict in words, with its interval where there is one."""
    finding, interval = judgement.finding, judgement.interval
    if not isfinite(finding.figure):
        return "no figure"
    unit = "middlebox" if (finding.figure, finding.unit) == (1, "middleboxes") else finding.unit
    text = judgement.claim.test.bars.figure.format(value=_rounded(finding.figure), unit=unit)
    return f"{text} [{_rounded(interval.low):g}, {_rounded(interval.high):g}]" if interval else text


def agreement(judgement: Judgement) -> str:
    """Return how many repetitions give the verdict by themselves; nothing of a single one."""
    if judgement.repetitions < 2:
        return ""
    return f" ({judgement.agreeing} of {judgement.repetitions} repetitions)"


def _rounded(value: float) -> float:
    """Return a value in three significant digits: more than any interval here bears out; whole numbers as they are."""
    return value if value.is_integer() else float(f"{value:.3g}")


def _caption(testbed: str) -> str:
    return f"The publication's claims, put to {_called(testbed)}"


def _called(testbed: str) -> str:
    return "its own tables" if is_published(testbed) else f"testbed {testbed}"
