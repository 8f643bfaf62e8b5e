# What the rules look up: the cells of the sweep and the order in which to measure them.

UNIKERNEL_SOURCES = sorted(
    str(path)
    for pattern in ("*.[chS]", "*.ld", "Makefile", "functions/*.c")
    for path in Path("workflow/unikernel").glob(pattern)
)


def records(testbeds):
    return expand(
        f"{RESULTS}/{{testbed}}/cells/n{{n}}/size{{size}}/rep{{rep}}.json",
        testbed=testbeds,
        n=STUDY.chain_lengths,
        size=STUDY.frame_sizes,
        rep=range(1, STUDY.repetitions + 1),
    )


def images(wildcards):
    """What must be built before the testbed can be used."""
    built_here = (
        getattr(TESTBEDS[wildcards.testbed].middlebox, "image", None) == "unikernel"
    )
    return [str(UNIKERNEL)] if built_here else []


def composition(wildcards):
    """The testbed's file as a value: a change of it is a change of every cell, a comment in it is not."""
    return TESTBEDS[wildcards.testbed].model_dump_json(exclude={"description"})


def chain_priority(testbed, n):
    """Testbed by testbed, and chain by chain, so that no chain is deployed twice; odd numbers are for cells."""
    place = (
        STUDY.testbeds.index(testbed)
        if testbed in STUDY.testbeds
        else len(STUDY.testbeds)
    )
    return 1_000_000 - 10_000 * place - 2 * int(n)
