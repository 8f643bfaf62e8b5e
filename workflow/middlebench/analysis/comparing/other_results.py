"""Anyone's results beside one's own: a results folder, or one sent as a zip file. Read, compared, never pooled."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pandas as pd

from middlebench.analysis.comparing.equivalence import Sameness, compare_cells, tally
from middlebench.analysis.data.measurements import of_one_size, read_measurements
from middlebench.analysis.law.derivation import estimates_of
from middlebench.analysis.law.results import Law
from middlebench.analysis.tables.table import Table
from middlebench.config.other_results import TABLE
from middlebench.system.errors import RecordError
from middlebench.system.text import percent, plural


def read_others(path: Path) -> pd.DataFrame:
    """Return the measurements of a results folder, or of one in a zip file; of frames of one size.

    Raises:
        RecordError: there are none, or they are not as the aggregate rule writes them.
    """
    if path.suffix != ".zip":
        return of_one_size(read_measurements(path / TABLE))
    doing = f"reading {path}"
    hint = "`snakemake --cores 1 -- results/local.zip` makes such a file"
    try:
        with zipfile.ZipFile(path) as packed, tempfile.TemporaryDirectory() as folder:
            found = [name for name in packed.namelist() if PurePosixPath(name).name == TABLE]
            if len(found) != 1:
                raise RecordError(doing, f"it holds {plural(len(found), TABLE)}, and one is wanted", hint)
            Path(folder, TABLE).write_bytes(packed.read(found[0]))
            return of_one_size(read_measurements(Path(folder, TABLE)))
    except (OSError, zipfile.BadZipFile) as error:
        raise RecordError(doing, str(error), hint) from error


def describe(compared: pd.DataFrame, name: str, margin: float) -> str:
    """Return in words how many cells are the same, and which are not."""
    if compared.empty:
        return f"No cell has a counterpart in {name}."
    counted = tally(compared)
    text = f"Of {plural(len(compared), 'cell')} that both have, " + ", ".join(
        f"{count} ({percent(count / len(compared))}) {'is' if count == 1 else 'are'} {each}"
        for each, count in counted.items()
        if count
    )
    apart = compared[compared["sameness"] == str(Sameness.DIFFERENT)]
    places = ", ".join(f"n = {each.n} at {each.frame_bytes} B ({each.ratio:.2f})" for each in apart.itertuples())
    text = f"{text}; the margin is {percent(margin)}."
    if places:
        text += f" Different, with the ratio: {places}."
    if counted[Sameness.UNDECIDED]:
        needed = compared.loc[compared["sameness"] == str(Sameness.UNDECIDED), "repetitions_needed"].max()
        text += f" Where undecided cells are the same, some {needed} repetitions here and there would show it."
    return text


def cells_table(mine: pd.DataFrame, theirs: pd.DataFrame, name: str, margin: float) -> Table:
    """Return the cells that both have, side by side."""
    headings = {
        "n": "Chain length",
        "frame_bytes": "Frame size [B]",
        "mine_mbps": "Here [Mb/s]",
        "theirs_mbps": f"{name} [Mb/s]",
        "ratio": "Ratio",
        "ratio_low": "Low (90 %)",
        "ratio_high": "High (90 %)",
        "sameness": "Within the margin",
    }
    caption = f"Received throughput here and in {name} (geometric means), the same within {percent(margin)} or not"
    return Table(
        compare_cells(mine, theirs, margin),
        headings,
        caption,
        widths={"sameness": 0.15},
        decimals=dict.fromkeys(("ratio", "ratio_low", "ratio_high"), 3),
    )


def laws_table(law: Law, theirs: pd.DataFrame, name: str) -> Table:
    """Return the parameters of the law here beside those of the same law fitted to the others' cells."""
    others = estimates_of(law.basis.shape, theirs) if law.basis else {}
    rows = []
    for parameter, mine in law.parameters.items() if others else ():
        other = others[parameter]
        apart = mine.interval[0] > other.interval[1] or other.interval[0] > mine.interval[1]
        values = (f"{each:.3g}" for each in (mine.value, *mine.interval, other.value, *other.interval))
        rows.append((parameter, mine.unit, *values, "differs" if apart else "", mine.meaning))
    headings = {
        "parameter": "Parameter",
        "unit": "Unit",
        "here": "Here",
        "low": "Low (95 %)",
        "high": "High (95 %)",
        "there": name,
        "there_low": "Low (95 %)",
        "there_high": "High (95 %)",
        "differs": "Differs",
        "meaning": "Meaning",
    }
    caption = f"The law {law.formula}, fitted here and to {name}; a parameter differs when its intervals lie apart"
    return Table.of(rows, headings, caption, widths={"unit": 0.1, "differs": 0.1, "meaning": 0.4})
