"""The verdicts on the papers' claims follow the planted effects, and say when there is nothing to judge by."""

import math
from pathlib import Path

import fake
import fake_cells
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from snn.benchmark.layout import CellFolder
from snn.phases.collect import collect
from snn.report.claims import sentences
from snn.report.claims.stated import CLAIMS, MEMBRANE_READOUT, MORE_EPOCHS, PLAIN_SURROGATE
from snn.report.claims.verdicts import Verdict, decide, deepest_residual, judgements, seeds_to_decide
from snn.report.results import Results
from snn.report.tables.claims import claims
from snn.statistics import estimate, exact_estimate

SUPPORTED, CONTRADICTED, EQUIVALENT, UNDECIDED, NOT_TESTED = Verdict
ROOT = Path(__file__).parents[2]
ONE_NETWORK = {"networks": ("3c1fc",), "diverged": (), "star": ()}


def collected(tmp_path, change=lambda cell: None, variants=None, **options) -> Results:
    cells = fake.make_cells(tmp_path / "cells", **(ONE_NETWORK | options))
    for cell in cells:
        change(cell)
    collect("fake", "matched", cells, tmp_path / "report")
    return Results(tmp_path / "report", variants=variants)


def verdicts(tmp_path, change=lambda cell: None, variants=None, **options) -> pd.DataFrame:
    return claims(collected(tmp_path, change, variants, **options)).data.set_index("name")


# --- the rule


def of(mean: float, half: float, n: int = 5):
    """An estimate with one-sided bounds at mean ± half."""
    shape = np.linspace(-1, 1, n)
    return estimate(mean + half / (estimate(shape).bounds()[1]) * shape)


@pytest.mark.parametrize(
    ("mean", "half", "direction", "verdict"),
    [
        (3.0, 1.0, "greater", SUPPORTED),
        (-3.0, 1.0, "greater", CONTRADICTED),
        (0.5, 1.0, "greater", EQUIVALENT),
        (0.5, 1.6, "greater", UNDECIDED),  # above the margin of 2 and below zero are both possible
        (1.5, 1.0, "greater", SUPPORTED),
        (-1.0, 0.9, "not less", SUPPORTED),
        (-5.1, 2.1, "not less", CONTRADICTED),  # LTL online near its teacher: -5.1 [-7.2, -3.1], margin 2
        (-2.5, 1.0, "not less", UNDECIDED),
        (1.0, 0.5, "less", SUPPORTED),
        (3.0, 0.5, "less", CONTRADICTED),
    ],
)
def test_the_verdict_is_read_off_the_bounds(mean, half, direction, verdict):
    difference = of(mean, half)
    assert difference.bounds() == pytest.approx((mean - half, mean + half))
    assert decide(difference, direction, margin=2.0) == verdict


def test_a_claim_to_one_side_is_tested_to_one_side():
    """The two-sided 95 % interval of these seeds holds zero, the one-sided bound does not."""
    difference = estimate([0.4, 1.6, 0.2, 1.3, 0.1])
    half = 2.776 * difference.se  # t(0.975, 4)
    assert difference.mean - half < 0 < difference.bounds()[0]
    assert decide(difference, "greater", 2.0) == SUPPORTED


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.1, 3))
def test_turning_a_difference_round_turns_the_verdict_round(mean, half, margin):
    assume(min(abs(abs(mean) - half), abs(abs(mean) + half - margin)) > 1e-9)  # a bound on the edge is a rounding error
    turned = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, EQUIVALENT: EQUIVALENT, UNDECIDED: UNDECIDED}
    assert decide(of(-mean, half), "greater", margin) == turned[decide(of(mean, half), "greater", margin)]


def test_too_few_seeds_are_undecided_and_a_count_needs_one():
    assert decide(estimate([5.0, 5.1]), "greater", 1.0) == UNDECIDED
    assert decide(exact_estimate(0.02), "less", 0.1) == SUPPORTED
    assert decide(exact_estimate(0.3), "less", 0.1) == CONTRADICTED


def test_as_many_seeds_as_it_asks_for_decide_it():
    """At a true difference of zero or of the margin, `seeds_to_decide` seeds reach a verdict in about 80 % of cases."""
    draw = np.random.default_rng(3)
    n = seeds_to_decide(estimate(draw.normal(0, 2.0, 400)), "greater", margin=1.5)
    for truth in (0.0, 1.5):
        decided = [decide(estimate(draw.normal(truth, 2.0, n)), "greater", 1.5) != UNDECIDED for _ in range(300)]
        assert np.mean(decided) >= 0.76
    fewer = [decide(estimate(draw.normal(0.0, 2.0, n // 2)), "greater", 1.5) != UNDECIDED for _ in range(300)]
    assert np.mean(fewer) < 0.6


# --- on cells


def test_planted_effects_are_supported(tmp_path):
    table = verdicts(tmp_path)
    assert table.verdict[["mtt_flatter", "mtt_flatter_matched", "mtt_events", "mtt_event_accuracy"]].eq(SUPPORTED).all()
    assert 0 < table.low["mtt_events"] < 0.12 < table.high["mtt_events"]  # 0.12 is what was planted


@pytest.mark.parametrize(("effect", "verdict"), [(-0.1, CONTRADICTED), (0.0, EQUIVALENT)])
def test_the_contrary_is_contradicted_and_nothing_is_equivalent(tmp_path, monkeypatch, effect, verdict):
    monkeypatch.setattr(fake, "t_train_key", lambda cell: 1)  # the same luck for all
    table = verdicts(tmp_path, effect=effect, methods=("chance", "sdt", "mtt"), samples=4000)
    assert table.verdict["mtt_events"] == verdict


def test_an_undecided_claim_says_how_many_seeds_would_decide_it(tmp_path):
    results = collected(tmp_path, effect=0.01, methods=("sdt", "mtt"))
    judged = next(j for j in judgements(results) if j.claim.name == "mtt_events")
    assert judged.verdict == UNDECIDED
    assert judged.seeds_to_decide > 3
    words = sentences.sentence(judged, several_networks=False)
    assert words.endswith(f"with 3 seeds; {judged.seeds_to_decide} seeds would decide it.")


def test_where_the_seeds_at_hand_would_decide_zero_or_the_margin_the_sentence_does_not_ask_for_as_many(tmp_path):
    """An estimate of half the margin at a variance for which five seeds would do: not "with 5 seeds; 5 seeds would
    decide it"."""
    results = collected(tmp_path, methods=("sdt", "mtt"))
    judged = next(j for j in judgements(results) if j.claim.name == "mtt_events")
    halfway = of(0.0105, 0.0108)
    needed = seeds_to_decide(halfway, "greater", 0.02)
    assert decide(halfway, "greater", 0.02) == UNDECIDED
    assert needed <= halfway.n_seeds
    measurement = judged.measurement._replace(estimate=halfway)
    judged = judged._replace(verdict=UNDECIDED, measurement=measurement, seeds_to_decide=needed)
    words = sentences.sentence(judged, several_networks=False)
    assert "would decide" not in words
    assert words.endswith("it may lie between the two.")
    near = next(claim for claim in CLAIMS if claim.name == "mtt_at_each_t")
    words = sentences.sentence(judged._replace(claim=near), several_networks=False)
    assert words.endswith("it may lie near the margin."), "not less: what is undecided is at the margin"


def test_what_is_missing_is_not_tested_and_too_few_seeds_decide_nothing(tmp_path):
    results = collected(tmp_path, methods=("sdt", "mtt"), seeds=(0, 1))
    table = claims(results).data.set_index("name")
    assert set(table.verdict) == {UNDECIDED, NOT_TESTED}
    assert table.detail["mtt_flatter"] == "too few seeds"
    assert "no Dspike" in table.detail["dspike_adapted"]
    not_tested = next(g for g in sentences.groups(judgements(results)) if g.verdict == NOT_TESTED)
    assert any("fixed one: no Dspike" in words for words in not_tested.sentences)


def test_a_reference_run_on_other_data_stands_beside(tmp_path):
    there = verdicts(tmp_path / "there", dataset="elsewhere", methods=("chance", "sdt", "mtt"))
    there.reset_index().to_csv(tmp_path / "claims.csv", index=False)
    here = collected(tmp_path / "here", methods=("chance", "sdt", "mtt"), effect=-0.1)
    view = claims(here, tmp_path / "claims.csv").view.set_index("Claim")
    claim = "MTT loses less than SDT on event-driven deployment"
    assert view["Verdict"][claim] == CONTRADICTED
    assert view["Reference run on elsewhere"][claim] == "supported on 3C1FC, n = 3"
    same = claims(Results(tmp_path / "there/report"), tmp_path / "claims.csv").view
    assert not any(column.startswith("Reference run") for column in same), "a table is not compared with itself"


def test_the_reference_run_is_the_committed_report():
    reference = (ROOT / "snn/report/templates/claims_elsewhere.csv").read_text()
    assert reference == (ROOT / "reports/nmnist_0to7/tables/claims.csv").read_text()


def test_the_file_has_its_columns_and_a_row_for_every_claim(tmp_path):
    table = claims(collected(tmp_path, methods=("chance", "sdt"))).data
    first = "paper claim network n quantity direction margin estimate low high verdict seeds_to_decide"
    assert list(table)[:12] == first.split()
    assert set(table["name"]) == {claim.name for claim in CLAIMS}


def test_every_claim_states_direction_margin_and_source():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.margin > 0
        assert claim.source
        assert claim.direction in ("greater", "not less", "less")


def test_holms_correction_is_over_the_same_test_of_all_claims(tmp_path):
    table = verdicts(tmp_path)
    decided = table[table.verdict == SUPPORTED]
    assert len(decided) > 3
    assert (decided.p_holm >= decided.p).all()
    assert (decided.p_holm.max() > decided.p.max()) or len(decided) == 1


# --- single quantities


@pytest.mark.parametrize(("below", "verdict"), [(0.0, SUPPORTED), (0.06, CONTRADICTED)])
@pytest.mark.parametrize("epochs", [5, 9])
def test_near_the_teacher_is_within_the_margin_after_five_epochs(tmp_path, monkeypatch, below, verdict, epochs):
    monkeypatch.setitem(fake.MORE, "ltl-offline", fake.CEILING["ann"] - below)
    monkeypatch.setattr(fake, "t_train_key", lambda cell: 1)  # the same luck for all

    def early(cell):  # a long training that has learnt all it will by its fifth epoch
        path = cell["folder"] / "train" / "history.csv"
        history = pd.read_csv(path)
        final = fake.CEILING["ann"] - below * (cell["method"] == "ltl-offline") + 0.001 * cell["seed"]
        history.assign(test_accuracy=np.where(history["epoch"] >= 5, final, 0.1)).to_csv(path, index=False)

    table = verdicts(tmp_path, early, methods=("ann", "ltl-offline"), samples=4000, epochs=epochs)
    assert table.verdict["ltl_near_teacher"] == verdict
    assert table.detail["ltl_near_teacher"] == ("after 5 epochs" if epochs == 5 else "after 5 of 9 epochs")


def probing(curves=(), metrics=()):
    """Gives the cells of some methods rows of the phase probe: (method, curve, x, function seed -> value), and metrics
    (method, t, name, value)."""

    def change(cell):
        own = [(c, x, value(cell["seed"])) for method, c, x, value in curves if method == cell["method"]]
        rows = [{"mode": "clock", "curve": c, "x": x, "value": value} for c, x, value in own]
        numbers = [("probe", t, "clock", name, value) for method, t, name, value in metrics if method == cell["method"]]
        if rows or numbers:
            outcome = fake.outcome_of({}, numbers, curves=rows)
            fake_cells.write_phase(CellFolder(cell["folder"]), "probe", outcome)

    return change


def test_memory_is_judged_by_its_growth(tmp_path):
    kept = [("sdt", 2, 200.0), ("sdt", 16, 1600.0), ("ltl-online", 1, 9.0), ("ltl-online", 2, 90.0)]
    kept += [("ltl-online", 16, 99.0)]
    change = probing(metrics=[(method, t, "bytes_for_backward", value) for method, t, value in kept])
    table = verdicts(tmp_path, change, methods=("sdt", "ltl-online"), seeds=(0,))
    assert table.verdict["ltl_memory"] == SUPPORTED, "counted: one seed is enough"
    assert table.estimate["ltl_memory"] == pytest.approx(9 / 1400)
    assert table.detail["ltl_memory"] == "T = 2 to 16", "at T = 1 only one of the two was probed"


@pytest.mark.parametrize(("ratio", "verdict"), [(3.0, SUPPORTED), (1.0, EQUIVALENT), (0.3, CONTRADICTED)])
def test_gradients_are_judged_by_first_over_last_layer_on_the_deepest_network(tmp_path, ratio, verdict):
    """On a logarithmic scale: one large iteration or seed does not decide. The whole network's scale does not count."""
    curves = [
        ("sdt", "gradient_norm/first", 1, lambda seed: 0.1 * 1.02 ** (seed - 1)),
        ("sdt", "gradient_norm/last", 1, lambda seed: 1.0),
        ("shortcut", "gradient_norm/first", 1, lambda seed: 5 * 0.1 * ratio),
        ("shortcut", "gradient_norm/last", 1, lambda seed: 5.0),
    ]
    networks = ("resnet8", "resnet20-tiny")
    results = collected(tmp_path, probing(curves), methods=("sdt", "shortcut"), networks=networks, samples=60, epochs=2)
    table = claims(results).data.set_index("name")
    assert table.network["shortcut_gradient"] == "resnet20-tiny"
    assert table.verdict["shortcut_gradient"] == verdict
    assert table.estimate["shortcut_gradient"] == pytest.approx(math.log(ratio), abs=0.03)
    judged = next(j for j in judgements(results) if j.claim.name == "shortcut_gradient")
    assert f": × {ratio:.3g}" in sentences.sentence(judged, several_networks=False), "people read factors"


def test_the_deepest_residual_network():
    assert deepest_residual(["3c1fc", "resnet8", "resnet20-tiny", "vgg11"]) == "resnet20-tiny"
    assert deepest_residual(["3c1fc"]) is None


def test_what_is_claimed_of_deep_networks_is_not_judged_on_a_shallow_one(tmp_path):
    assert verdicts(tmp_path, methods=("sdt", "shortcut")).verdict["shortcut_accuracy"] == NOT_TESTED


def test_dspike_is_compared_with_the_plain_surrogate_of_the_variant(tmp_path):
    options = {"networks": ("3c1fc", PLAIN_SURROGATE), "methods": ("sdt", "dspike"), "samples": 100, "epochs": 2}
    table = verdicts(tmp_path, variants={PLAIN_SURROGATE: "3c1fc"}, **options)
    assert table.network["dspike_plain_surrogate"] == "3c1fc"
    assert table.verdict["dspike_plain_surrogate"] != NOT_TESTED
    assert verdicts(tmp_path / "b", **options).verdict["dspike_plain_surrogate"] == NOT_TESTED, "no variant of it"


def test_ltl_and_conversion_are_compared_where_currents_decide(tmp_path):
    """A spiking readout that stays silent loses a recording: both have the other readout, or there is no claim."""
    options = {"methods": ("ann", "ltl-offline", "ltl-online", "conversion"), "samples": 100, "epochs": 2}
    names = ["ltl_conversion_membrane", "ltl_online_conversion_membrane"]
    table = verdicts(tmp_path / "a", networks=("3c1fc",), **options)
    assert (table.verdict[names] == NOT_TESTED).all()
    variants = {MEMBRANE_READOUT: "3c1fc"}
    table = verdicts(tmp_path / "b", networks=("3c1fc", MEMBRANE_READOUT), variants=variants, **options)
    assert (table.verdict[names] != NOT_TESTED).all()
    assert (table["first"][names] != table["first"][[n.removesuffix("_membrane") for n in names]].to_numpy()).any()


def test_dspike_is_compared_at_equal_compute_with_the_variant_of_more_epochs(tmp_path):
    options = {"methods": ("sdt", "dspike", "dspike-fixed"), "samples": 100, "epochs": 2}
    table = verdicts(tmp_path, networks=("3c1fc", MORE_EPOCHS), variants={MORE_EPOCHS: "3c1fc"}, **options)
    assert table.verdict["dspike_adapted_matched"] != NOT_TESTED
    assert table["first"]["dspike_adapted_matched"] == table["first"]["dspike_adapted"], "the adapted one is the same"


def test_mtt_is_judged_at_and_beyond_its_training_and_against_sdt_trained_anew(tmp_path):
    table = verdicts(tmp_path, star=(2, 5), methods=("sdt", "mtt", "tet"), epochs=2)
    assert table.detail["mtt_beyond_training"] == "T = 15 to 20"
    assert table.verdict["mtt_beyond_training"] == SUPPORTED
    assert table.detail["mtt_at_each_t"] == "T = 2, 5, 10"
    assert table.verdict["mtt_at_each_t"] == SUPPORTED
    expected = ["mtt_accuracy", "mtt_accuracy_tet", "mtt_event_accuracy_tet", "mtt_flatter_tet"]
    assert (table.verdict[expected] != NOT_TESTED).all()


@pytest.mark.parametrize(
    ("gain", "control", "verdict"), [(0.2, 0.0, SUPPORTED), (0.1, 0.1, EQUIVALENT), (0.02, 0.1, CONTRADICTED)]
)
def test_recovery_is_judged_against_what_the_unperturbed_network_gains(tmp_path, gain, control, verdict):
    def change(cell):
        if cell["method"] == "ltl-offline":
            one = fake._Cell(cell["folder"], {k: v for k, v in cell.items() if k != "folder"}, 4000, 5, 0.0, False, ())
            after = {
                "clock/10/accuracy": one.predict(0.7),
                "clock/10/accuracy_after_5_chip0": one.predict(0.7 + control),
            }
            for mode in ("bits-2", "noise-0.1"):
                after |= {f"{mode}/10/accuracy_chip{chip}": one.predict(0.6 - chip / 10) for chip in (0, 1)}
                after[f"{mode}/10/accuracy_after_5_chip0"] = one.predict(0.6 + gain)
            # Two chips of one level and one of the other count as one level each.
            after["noise-0.1/10/accuracy_after_5_chip1"] = one.predict(0.5 + gain)
            one.finish("robustness", after, [], 1.0)

    table = verdicts(tmp_path, change, methods=("ltl-offline",))
    assert table.verdict["ltl_recovers"] == verdict
    assert table.estimate["ltl_recovers"] == pytest.approx(gain - control, abs=0.02)
    assert "mean of 2 non-idealities" in table.detail["ltl_recovers"]
