"""Authors and licence of the results: what an archive would refuse is refused before anything is measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from middlebench.config.authors import Author
from middlebench.config.study import Study
from pydantic import ValidationError
from sweeps import STUDY


def study(**changes):
    return Study.model_validate(STUDY.model_dump() | changes)


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"])
def test_right_identifiers_are_taken(orcid):
    assert Author(name="A", orcid=orcid).orcid == orcid


@given(st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_is_refused(place, more):
    digits = list("0000000218250097")
    digits[place] = str((int(digits[place]) + more) % 10)
    with pytest.raises(ValidationError, match="check digit"):
        Author(name="A", orcid="-".join("".join(digits[at : at + 4]) for at in range(0, 16, 4)))


def test_licence_is_an_spdx_name():
    assert study(licence="cc-by-4.0").licence == "CC-BY-4.0"
    for wrong in ("CC-BY", "", "MIT OR ISC", "free"):
        with pytest.raises(ValidationError, match="SPDX"):
            study(licence=wrong)


@pytest.mark.parametrize("more", [{"orcid": "0000-0002-1825-0097"}, {"affiliation": "A university"}])
def test_organisation_has_nothing_of_a_person(more):
    with pytest.raises(ValidationError, match="a person's"):
        Author(name="A laboratory", kind="organisation", **more)


def test_same_author_twice_is_refused():
    with pytest.raises(ValidationError, match="repeated"):
        study(authors=[{"name": "A"}, {"name": "A"}])
