# What a run begins and ends with.


def begin_run():
    """Choose, lock, and write down what the jobs read."""
    try:
        PREFLIGHT.demand_choice()
        take_locks(TESTBEDS, Path(RESULTS), STUDY.if_locked)
        write_study(new_session(), STUDY, TESTBEDS, Path(RESULTS))
        for name in TESTBEDS:
            note_origin(Path(RESULTS, name))
        archive_outputs(outputs_to_come(workflow), Path(RESULTS))
        if runs_jobs_here(workflow):
            start_jobs_at_once(workflow)
            stand_ready()
    except MiddlebenchError as problem:
        raise WorkflowError(str(problem)) from None
    except OSError as problem:
        raise WorkflowError(
            f"beginning the run: {problem}\n  what to try: the same command again, once that is mended"
        ) from None


def end_run():
    """Say what was found."""
    # Here, because it takes a second, which only the end needs.
    from middlebench.run.ending import last_words

    for line in last_words(Path(RESULTS), STUDY.testbeds):
        print(line, file=sys.stderr)
    name_quarantines()


def name_quarantines():
    """Say which testbeds are measured on no more."""
    for name in STUDY.testbeds:
        if quarantine := quarantine_of(Path(RESULTS, name)):
            print(quarantine.words, file=sys.stderr)


onstart:
    begin_run()


onsuccess:
    end_run()


onerror:
    name_quarantines()


if is_module(workflow):
    heed(workflow, begin_run, end_run, name_quarantines)
