# What the rules look up: the cells of the sweep and the order in which to measure them.

UNIKERNEL_SOURCES = sorted(
    str(path)
    for pattern in ("*.[chS]", "*.ld", "Makefile", "functions/*.c")
    for path in Path("workflow/unikernel").glob(pattern)
)


def planned_records(testbed):
    """Every repetition that every cell of a testbed gets."""
    return expand(
        f"{RESULTS}/{{testbed}}/cells/n{{n}}/size{{size}}/rep{{rep}}.json",
        testbed=testbed,
        n=STUDY.chain_lengths,
        size=STUDY.frame_sizes,
        rep=range(1, STUDY.repetitions + 1),
    )


def extra_list(testbed):
    """The file that says which cells get extra repetitions, if any do. It is made once all planned ones are there."""
    if not STUDY.extra_repetitions:
        return []
    return [checkpoints.allocate.get(testbed=testbed).output[0]]


def records(testbed):
    """Every record of a testbed, those of extra repetitions included."""
    try:
        extra = [read(ExtraCells, Path(file)) for file in extra_list(testbed)]
    except MiddlebenchError as problem:
        raise WorkflowError(str(problem)) from None
    return planned_records(testbed) + [
        f"{RESULTS}/{testbed}/cells/n{n}/size{size}/rep{rep}.json"
        for given in extra
        for n, size, rep in given.cells
    ]


def closing_control(wildcards):
    """The controls that end a run on a testbed, unless there are none at all."""
    return (
        [f"{RESULTS}/{wildcards.testbed}/controls/closing.json"]
        if CONTROLS != "none"
        else []
    )


def testbed_of(wildcards):
    """The testbed that a file belongs to; one that is not swept may still be asked for by a file's name."""
    name = wildcards.testbed
    try:
        if name not in TESTBEDS:
            TESTBEDS[name] = study_config.load_testbed(name)
        if "size" in wildcards.keys():
            study_config.check_frame_sizes(
                [int(wildcards.size)], name, TESTBEDS[name], "looking for a cell"
            )
    except MiddlebenchError as problem:
        raise WorkflowError(str(problem)) from None
    return TESTBEDS[name]


def images(wildcards):
    """What must be built before the testbed can be used."""
    built_here = getattr(testbed_of(wildcards).middlebox, "image", None) == "unikernel"
    return [str(UNIKERNEL)] if built_here else []


def present_environment(wildcards):
    """What the environment is now. A change of it makes cells out of date where the config says so."""
    name = wildcards.testbed
    if name not in PRESENT:
        options = testbed_of(wildcards)
        PRESENT[name] = present.look(name, options, Path(RESULTS, name), logger.warning)
    file = str(present.noted(name))
    return file if STUDY.other_environment == "remeasure" else ancient(file)


def composition(wildcards):
    """The testbed's file as a value: a change of it is a change of every cell, a comment in it is not."""
    return testbed_of(wildcards).model_dump_json(exclude={"description"})


def cell_of(wildcards):
    """The testbed, chain length, frame size and repetition of a cell."""
    return wildcards.testbed, int(wildcards.n), int(wildcards.size), int(wildcards.rep)


ORDER = STUDY.order
BAND = CONTROL_BAND if STUDY.controls == "none" else STUDY.controls.band

CONTROLS = "none" if STUDY.controls == "none" else STUDY.controls.model_dump_json()


def place_of(wildcards):
    """A cell's place in the order of the run, as JSON; `none` for a cell outside of it."""
    place = ORDER.place(*cell_of(wildcards))
    return place.model_dump_json() if place else "none"


GRID = json.dumps(
    {
        "chain_lengths": STUDY.chain_lengths,
        "frame_sizes": STUDY.frame_sizes,
        "repetitions": STUDY.repetitions,
    }
)

FIGURES = {
    "fig1": "Figure 1: what the generator offers",
    "fig2": "Figure 2: the configuration with one middlebox",
    "fig3": "Figure 3: received throughput with one middlebox",
    "fig4": "Figure 4: the configuration with several middleboxes",
    "fig5": "Figure 5: received throughput by chain length",
    "heatmap": "Every cell at a glance",
    "throughput_by_size": "Every chain length by frame size",
}
TABLES = {
    "table1": "Table I: one middlebox",
    "table1_intervals": "Table I with 95 % intervals",
    "table2": "Table II: several middleboxes",
    "table2_intervals": "Table II with 95 % intervals",
}

LIMIT_FIGURES = {
    "limits": "What limited each cell",
    "losses": "Where packets died along the chain",
}

LAW_FIGURES = {
    "law": "The law of the throughput",
    "knee": "How long a chain keeps its rate, by frame size",
}
LAW_TABLES = [
    "law_parameters",
    "knee",
    "longest_chain",
    "predictions",
    "law_disagreements",
    "hop_processor_time",
    "law_left_out",
    "law_tried",
]

OTHERS = STUDY.others
"""Results of others to compare with: where they are, by the name that each goes by here."""

PUBLISHED = "published"
"""The dataset that was not measured but transcribed from the paper."""

PAPER_TABLES = ["data/paper/table1.csv", "data/paper/table2.csv"]

PAPER_CLAIMS = "data/paper/claims.yaml"

CRATE_INPUTS = [
    "config/config.yaml",
    "config/testbeds/{testbed}.yaml",
    *PAPER_TABLES,
    PAPER_CLAIMS,
]
"""What a crate needs from outside of its folder, by its path in the project."""

EXECUTE = (
    "middlebench execute {input.notebook:q} --output {output.notebook:q}"
    " --parameter dataset {wildcards.dataset} --parameter results {params.results:q} 2> {log:q}"
)


def dataset_files(wildcards, name=None):
    """What a dataset is read from."""
    name = name or wildcards.dataset
    if name == PUBLISHED:
        return PAPER_TABLES
    return [
        f"{RESULTS}/{name}/measurements.csv",
        f"{RESULTS}/{name}/provision.json",
        *expand(f"{RESULTS}/{name}/deployments/n{{n}}.json", n=STUDY.chain_lengths),
    ]


def results_folder(wildcards):
    """Where the notebooks read and write."""
    return RESULTS


def references(dataset):
    """What a dataset is compared with: the paper, and every other testbed of the run."""
    return [PUBLISHED, *(name for name in STUDY.testbeds if name != dataset)]


def report_notebooks(wildcards):
    """The executed notebooks of a report, in its order."""
    names = ["claims", "law", "figures", "tables"]
    if wildcards.dataset != PUBLISHED:
        names += [
            f"comparison_{reference}" for reference in references(wildcards.dataset)
        ]
        names += [f"equivalence_{other}" for other in OTHERS]
        names += ["limits", "controls", "deployment"]
    return [f"{RESULTS}/{wildcards.dataset}/report/{name}.ipynb" for name in names]
