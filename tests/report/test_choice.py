"""Which method for an event-driven chip: nothing is ruled out that no other method is shown to be better than."""

from fake import make_cells

from snn.phases.collect import collect
from snn.report.choice import Choice, choices, inference
from snn.report.results import Results

SMALL = {"networks": ("3c1fc",), "samples": 200, "epochs": 2, "diverged": (), "star": ()}


def chosen(tmp_path, **options) -> Choice:
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL | options), tmp_path / "report")
    (choice,) = choices(Results(tmp_path / "report"))
    return choice


def test_a_planted_effect_rules_the_others_out(tmp_path):
    choice = chosen(tmp_path)
    assert choice.best.method == "mtt"
    assert {s.method for s in choice.ruled_out} == {"sdt", "sdt-matched"}
    assert choice.in_question == []
    assert inference(choice) == "Event-driven (int8)"
    assert choice.text.startswith("has the highest accuracy, 8")
    assert "every other method is ruled out: another is better. MTT takes " in choice.text


def test_methods_alike_stay_in_question_with_their_numbers(tmp_path):
    choice = chosen(tmp_path, methods=("chance", "ann", "sdt", "tet"))
    assert choice.ruled_out == []
    (other,) = choice.in_question
    assert {choice.best.method, other.method} == {"sdt", "tet"}, "controls are no choice"
    assert ". Not ruled out either, with these seeds: " in choice.text
    assert "synaptic operations a recording" in choice.text


def test_two_seeds_rule_nothing_out(tmp_path):
    choice = chosen(tmp_path, seeds=(0, 1))
    assert choice.ruled_out == []
    assert "too few seeds to tell the methods apart" in choice.text


def test_where_nothing_is_deployed_the_methods_are_compared_clock_driven(tmp_path):
    methods = ("chance", "ann", "sdt", "mtt", "conversion")  # planted: 92.5, 94 and 85 %
    cells = [cell | {"phases": ["train"]} for cell in make_cells(tmp_path / "cells", **SMALL, methods=methods)]
    collect("fake", "matched", cells, tmp_path / "report")
    (choice,) = choices(Results(tmp_path / "report"))
    assert not choice.event_driven
    assert inference(choice) == "Clock-driven"
    assert choice.best.method == "mtt"
    assert [s.method for s in choice.ruled_out][-1] == "conversion"
    assert "synaptic operations" not in choice.text


def test_one_method_alone_is_no_choice(tmp_path):
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL, methods=("ann", "sdt")), tmp_path / "report")
    assert choices(Results(tmp_path / "report")) == []
