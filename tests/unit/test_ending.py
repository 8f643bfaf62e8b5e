"""At its end a run answers the question on the terminal, and says where its report is."""

from middlebench.run.ending import last_words
from sweeps import write_results


def test_end_of_a_run_is_the_answer_and_the_address_of_the_report(tmp_path):
    write_results(tmp_path, repetitions=2)
    assert list(last_words(tmp_path, ["made"])) == []
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(exist_ok=True)
    page.touch()
    *sentences, address = last_words(tmp_path, ["made", "absent"])
    assert len(sentences) == 3
    assert "arrive through a chain of 4" in sentences[0]
    assert address.endswith(page.as_uri())


def test_report_without_a_table_is_named_all_the_same(tmp_path):
    page = tmp_path / "made/report/index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    (address,) = last_words(tmp_path, ["made"])
    assert address.endswith(page.as_uri())
