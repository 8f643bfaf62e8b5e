"""Diagrams show every part of the plan under its own name, in the order in which frames pass."""

from dataclasses import asdict

import matplotlib as mpl
import pytest
from middlebench.analysis.figures.diagrams import PORT_COLOR, configuration_diagram
from middlebench.analysis.figures.style import GREY
from middlebench.model.topologies import plan_of


def names_in(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("length", [0, 1, 4, 20, 64])
def test_every_bridge_middlebox_and_port_is_named(length):
    plan = asdict(plan_of("chain", length, ("eth0", "eth1")))
    shown = names_in(configuration_diagram(plan, "made", "a middlebox"))
    for part in (*plan["bridges"], *plan["middleboxes"]):
        assert part["name"] in shown
        assert set(part["ingress_ports"] + part["egress_ports"]) <= set(shown)


@pytest.mark.parametrize("length", [0, 1, 4, 20, 64])
def test_there_is_an_arrow_for_every_link_and_no_two_boxes_overlap(length):
    plan = asdict(plan_of("chain", length, ("eth0", "eth1")))
    axes = configuration_diagram(plan, "made", "a middlebox").axes[0]
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert len(arrows) == 2 * (length + 1)
    boxes = [patch.get_bbox() for patch in axes.patches if isinstance(patch, mpl.patches.FancyBboxPatch)][2:]
    assert len(boxes) == 2 * length + 1
    overlaps = [(a, b) for index, a in enumerate(boxes) for b in boxes[index + 1 :] if a.overlaps(b)]
    assert not overlaps


@pytest.mark.parametrize("topology", ["chain", "pipeline", "parallel"])
def test_words_on_coloured_areas_keep_their_colour_on_a_dark_page(topology):
    figure = configuration_diagram(asdict(plan_of(topology, 3, ("eth0", "eth1"))), "made", "a middlebox")
    colors = {text.get_color() for text in figure.axes[0].texts if text.get_text()}
    assert colors == {PORT_COLOR, GREY}, "grey is the subtitle's"


def test_title_names_testbed_and_note():
    figure = configuration_diagram(asdict(plan_of("chain", 2, ("eth0", "eth1"))), "lab", "a middlebox", "emulated")
    assert "[emulated]" in figure.axes[0].get_title(loc="left")
    assert any("testbed lab" in name for name in names_in(figure))


@pytest.mark.parametrize(
    ("plan", "arrows"), [(plan_of("parallel", 4, ("eth0", "eth1")), 10), (plan_of("pipeline", 4, ("eth0", "eth1")), 7)]
)
def test_other_topologies_are_drawn_from_their_paths(plan, arrows):
    figure = configuration_diagram(asdict(plan), "made", "a middlebox")
    axes = figure.axes[0]
    assert set(plan.ports) <= set(names_in(figure))
    assert len([text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]) == arrows
    boxes = [patch.get_bbox() for patch in axes.patches if isinstance(patch, mpl.patches.FancyBboxPatch)][2:]
    assert len(boxes) == len(plan.bridges) + len(plan.middleboxes)
    assert not [(a, b) for index, a in enumerate(boxes) for b in boxes[index + 1 :] if a.overlaps(b)]
