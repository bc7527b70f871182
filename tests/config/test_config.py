"""The configuration says no early, naming key and remedy, and its schema is in step with the code."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from snn.benchmark.cell import Cell
from snn.benchmark.layout import PHASES
from snn.benchmark.plan import Plan
from snn.benchmark.schema import full_schema
from snn.config.blocks import Config
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.errors import ConfigError
from snn.report.claims import measurements
from snn.report.claims.stated import CLAIMS, DEEPEST_RESIDUAL, MEMBRANE_READOUT, MORE_EPOCHS, Claim
from snn.report.claims.verdicts import deepest_residual
from snn.report.settings import ReportSettings
from snn.statistics import MIN_SEEDS
from snn.training.method import FORWARD

ROOT = Path(__file__).resolve().parents[2]
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text())


def changed(**overlay) -> dict:
    return merge(copy.deepcopy(BASE), overlay)


@pytest.mark.parametrize(
    ("overlay", "key", "hint"),
    [
        ({"trian": {}}, "trian", "train"),
        ({"train": {"epoch": 3}}, "train.epoch", "epochs"),
        ({"neuron": {"treshold": 1.0}}, "neuron.treshold", "threshold"),
        ({"neuron": {"surrogate": {"nam": "triangle"}}}, "neuron.surrogate.nam", "name"),
        ({"matrix": {"extra": [{"method": ["sdt"]}]}}, "matrix.extra.0.method", "methods"),
        ({"variants": {"v": {"base": "3c1fc", "nuron": {}}}}, "variants.v.nuron", "neuron"),
        ({"variants": {"v": {"base": "3c1fd"}}}, "3c1fd", "3c1fc"),
        ({"variants": {"v": {"base": "3c1fc", "params": {"nom": "none"}}}}, "variants.v.params.nom", "norm"),
        ({"variants": {"v": {"base": "3c1fc", "neuron": {"vmin": 0}}}}, "variants.v.neuron.vmin", "v_min"),
        (
            {"variants": {"v": {"base": "3c1fc", "methods": {"shortcut-evolutionry": {}}}}},
            "shortcut-evolutionry",
            "shortcut-evolutionary",
        ),
        ({"variants": {"v": {"base": "3c1fc", "methods": {"mtt": {"drws": 1}}}}}, "v.methods.mtt.drws", "draws"),
        ({"matrix": {"methods": ["std"]}}, "std", "sdt"),
        ({"matrix": {"networks": ["resnet9"]}}, "resnet9", "resnet19"),
        ({"matrix": {"datasets": ["sacades"]}}, "sacades", "saccades"),
        ({"datasets": {"x": {"reader": "nmist"}}}, "nmist", "nmnist"),
        ({"methods": {"mtt": {"drws": 3}}}, "methods.mtt.drws", "draws"),
        ({"networks": {"3c1fc": {"nrom": "none"}}}, "networks.3c1fc.nrom", "norm"),
        ({"datasets": {"saccades": {"params": {"sampels": 10}}}}, "datasets.saccades.params.sampels", "samples"),
        ({"datasets": {"saccades": {"split": {"validatoin": 10}}}}, "split.validatoin", "validation"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(overlay, key, hint):
    with pytest.raises(ConfigError) as error:
        Plan.load(changed(**overlay))
    assert key in str(error.value)
    assert f"did you mean {hint!r}" in str(error.value)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"matrix": {"t_train": [0]}}, "T must be at least 1"),
        ({"sweep": {"t_eval": [0]}}, "T must be at least 1"),
        ({"matrix": {"seeds": [-1]}}, "negative"),
        ({"matrix": {"methods": []}}, "matrix.methods"),
        ({"matrix": {"t_train": [1]}}, "T_max"),  # MTT at T_max 1 has nothing to mix
        ({"matrix": {"exclude": [{"dataset": "saccades"}]}}, "no cell"),
        ({"recipes": {"mtt": {"train": {"lr": 0.1}}}}, "published"),
        ({"train": {"lr": -1}}, "train.lr"),
        ({"methods": {"mtt": {"draws": 2}}}, "would not have MTT's compute"),
        ({"matrix": {"exclude": [{"method": "mttt"}]}}, "fits no cell"),
        ({"deploy": {"times_ms": [-5]}}, "deploy.times_ms"),
        ({"deploy": {"fractions": [2]}}, "deploy.fractions"),
        ({"robustness": {"bits": [1]}}, "robustness.bits"),
        ({"robustness": {"recovery": ["ltl-ofline"]}}, "did you mean 'ltl-offline'"),
        ({"robustness": {"recovery": ["ann"]}}, "robustness.recovery: ann does not train a spiking network"),
        ({"datasets": {"a b/c": {"reader": "saccades"}}}, "becomes a folder"),
        ({"resources": {"threads": 0}}, "resources.threads"),
        ({"resources": {"device": "tpu"}}, "resources.device"),
        ({"benchmark": "../x"}, "benchmark"),
    ],
)
def test_a_value_without_meaning_is_refused_with_its_key(overlay, words):
    with pytest.raises(ConfigError, match=words):
        Plan.load(changed(**overlay))


@pytest.mark.parametrize(
    ("overlay", "old", "new"),
    [
        ({"matrix": {"also": []}}, "matrix.also", "matrix.extra"),
        ({"variants": {"v": {"base": "3c1fc", "of": "3c1fc"}}}, "variants.v.of", "variants.*.base"),
        ({"disturb": {"chips": 1}}, "disturb", "robustness"),
        ({"robustness": {"chips": 1}}, "robustness.chips", "robustness.simulated_chips"),
        ({"robustness": {"silenced": [0.1]}}, "robustness.silenced", "robustness.dead_fraction"),
        ({"resources": {"in_memory_mb": 1}}, "resources.in_memory_mb", "resources.frame_cache_mb"),
    ],
)
def test_a_renamed_key_is_refused_with_its_new_name(overlay, old, new):
    with pytest.raises(ConfigError) as error:
        Plan.load(changed(**overlay))
    assert f"configuration key {old!r} was renamed" in str(error.value)
    assert new in str(error.value)


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_configuration(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_configuration(tmp_path / "bad.yaml")


OVERLAYS = [[p] for p in sorted((ROOT / "config").glob("*.yaml")) if p.name != "config.yaml"]
OVERLAYS += [
    [ROOT / f"config/{base}.yaml", overlay]
    for base in ("nmnist", "cifar10_small")
    for overlay in sorted((ROOT / f"config/{base}").glob("*.yaml"))
]
PAPERS = {"mtt": "cifar100", "shortcut": "cifar100", "dspike": "cifar10", "ltl": "cifar10"}
for paper, images in PAPERS.items():
    small, published = ROOT / f"config/papers/{paper}.yaml", ROOT / f"config/published/{images}.yaml"
    OVERLAYS += [[small], [small, ROOT / "config/papers/quick.yaml"]]
    OVERLAYS += [[published, small, ROOT / f"config/papers/full/{paper}.yaml", ROOT / "config/gpu.yaml"]]


def test_the_papers_experiments_are_the_same_at_full_scale():
    """Other data, networks and recipes, but every variant of the small form."""
    for overlays in OVERLAYS[-3 * len(PAPERS) :: 3]:
        (name,) = (overlays[0].stem,)
        published, full = ROOT / f"config/published/{PAPERS[name]}.yaml", ROOT / f"config/papers/full/{name}.yaml"
        small = Plan(read_configuration(ROOT / "config/config.yaml", *overlays))
        large = Plan(
            read_configuration(ROOT / "config/config.yaml", published, *overlays, full, ROOT / "config/gpu.yaml")
        )
        (base,) = small.config.matrix.networks
        (deep,) = large.config.matrix.networks
        methods = {
            (c.network.replace(base, deep), c.method)
            for c in small.cells
            if c.network != MEMBRANE_READOUT  # the published networks have it anyway
        } - {(deep, "ann"), (deep, "conversion")}
        assert {(c.network, c.method) for c in large.cells} == methods
        assert {large.network(c.network)[0] for c in large.cells} == {deep}
        assert {c.dataset for c in large.cells} == {PAPERS[name]}


@pytest.mark.parametrize("paper", PAPERS)
def test_at_full_scale_nothing_is_trained_as_briefly_as_at_small_scale(paper):
    """What the small form sets for all methods (five epochs for LTL) must not reach a method without a recipe."""
    overlays = next(o for o in OVERLAYS if ROOT / f"config/papers/full/{paper}.yaml" in o)
    plan = Plan(read_configuration(ROOT / "config/config.yaml", *overlays))
    epochs = {(c.network, c.method): plan.recipe(c.method, c.network).epochs for c in plan.all_cells}
    assert min(epochs.values()) >= 50, epochs
    assert not any(plan.recipe(c.method, c.network).clip_norm for c in plan.all_cells)


def test_the_control_of_dspikes_updates_has_their_compute():
    """`dspike-fixed` with more epochs: as many time steps as `dspike` with its updates, or up to a tenth more."""
    small = [ROOT / "config/papers/dspike.yaml"]
    full = [ROOT / f"config/{f}.yaml" for f in ("published/cifar10", "papers/dspike", "papers/full/dspike")]
    for overlays, samples in ((small, 2000), (full, 49_000)):
        plan = Plan(read_configuration(ROOT / "config/config.yaml", *overlays))
        (network,) = plan.config.matrix.networks
        recipe, p = plan.recipe("dspike", network), plan.params("dspike", network)
        perturbed = min(p.samples or recipe.batch_size, recipe.batch_size)
        update = perturbed * (2 * p.weights * FORWARD + 3) / samples  # in epochs
        control = plan.recipe("dspike-fixed", MORE_EPOCHS).epochs
        assert 1.0 <= control / (recipe.epochs * (1 + update * p.updates_per_epoch)) < 1.1
        assert {c.network for c in plan.cells if c.method == "dspike-fixed"} >= {MORE_EPOCHS}


@pytest.mark.parametrize("overlays", OVERLAYS, ids=lambda paths: paths[-1].stem)
def test_every_overlay_makes_a_plan(overlays):
    assert Plan(read_configuration(ROOT / "config/config.yaml", *overlays)).cells


def test_exclude_and_extra():
    value = changed(matrix={"methods": ["sdt", "mtt"], "extra": [{"methods": ["sdt"], "t_train": [3], "seeds": [0]}],
                            "networks": ["3c1fc", "resnet8"], "seeds": [0, 1, 2],
                                "exclude": [{"network": "resnet8", "method": "mtt"}, {"seed": 2}]})  # fmt: skip
    cells = Plan.load(value).cells
    assert Cell("saccades", "3c1fc", "sdt", 3, 0) in cells
    assert Cell("saccades", "3c1fc", "sdt", 3, 1) not in cells
    assert not [c for c in cells if c.seed == 2 or (c.network, c.method) == ("resnet8", "mtt")]


@pytest.mark.parametrize(("seeds", "probed"), [(0, set()), (1, {3}), (2, {3, 7}), (9, {3, 7, 8})])
def test_the_first_seeds_of_the_main_cells_are_probed(seeds, probed):
    matrix = {"methods": ["ann", "sdt", "mtt"], "networks": ["3c1fc"], "t_train": [10], "seeds": [7, 3, 8]}
    matrix |= {"extra": [{"methods": ["sdt"], "t_train": [2]}], "exclude": []}
    plan = Plan.load(changed(matrix=matrix, probe={"seeds": seeds}))
    found = [cell for cell in plan.all_cells if "probe" in plan.phases(cell)]
    assert {cell.seed for cell in found} == probed
    assert {cell.t_train for cell in found} <= {10}, "SDT* is not probed, nor is what has no time"
    assert len(found) == 2 * len(probed)


def test_methods_without_time_have_one_cell():
    assert {
        c.t_train for c in Plan.load(changed(matrix={"t_train": [2, 4]})).cells if c.method in ("ann", "chance")
    } == {1}


def test_a_jobs_token_follows_what_it_depends_on_and_nothing_else():
    cell, other = Cell("saccades", "3c1fc", "mtt", 10, 0), Cell("saccades", "3c1fc", "sdt", 10, 0)
    fewer = {m: {"draws": 2} for m in ("mtt", "sdt-matched")}
    before, after = Plan.load(changed()), Plan.load(changed(methods=fewer, sweep={"t_eval": [1]}))
    assert before.token(cell, "train") != after.token(cell, "train")
    assert before.token(other, "train") == after.token(other, "train")
    assert before.token(other, "sweep") != after.token(other, "sweep")
    assert before.token(other, "deploy") == after.token(other, "deploy")
    resources = Plan.load(changed(resources={"train_mem_mb": 9000}))
    assert before.token(cell, "train") == resources.token(cell, "train")


def test_a_variant_is_its_network_with_other_neurons():
    neuron = {"multi_spike": False, "surrogate": {"periodic": False}}
    single = {"base": "3c1fc", "params": {"norm": "none"}, "neuron": neuron}
    one = {"networks": ["3c1fc", "single"], "methods": ["sdt", "ltl-offline"], "seeds": [0], "extra": []}
    plan = Plan.load(changed(matrix=one, variants={"single": single}))
    plain, other = (plan.spec(Cell("saccades", network, "sdt", 6, 0), "train") for network in ("3c1fc", "single"))
    assert other["network"]["name"] == plain["network"]["name"] == "3c1fc"
    assert other["network"]["values"] == plain["network"]["values"] | {"norm": "none"}
    differ = {key for key, value in plain["neuron"].items() if other["neuron"][key] != value}
    assert differ == {"multi_spike", "surrogate"}
    assert plan.teacher(Cell("saccades", "single", "ltl-offline", 6, 0)) == Cell("saccades", "single", "ann", 1, 0)
    assert plan.token(Cell("saccades", "single", "sdt", 6, 0), "train")


def test_a_variant_has_other_hyper_parameters_of_methods():
    one = {"networks": ["3c1fc", "other"], "methods": ["mtt", "sdt", "ltl-offline"], "seeds": [0], "extra": []}
    values = {"mtt": {"draws": 1}, "ltl-offline": {"teacher": "ann-ltl"}}
    without = Plan.load(changed(matrix=one, variants={"other": {"base": "3c1fc"}}))
    plan = Plan.load(changed(matrix=one, variants={"other": {"base": "3c1fc", "methods": values}}))
    plain, other = (Cell("saccades", network, "mtt", 6, 0) for network in ("3c1fc", "other"))
    assert plan.spec(other, "train")["method"] == {"reduction": "mean", "draws": 1}, "keys are replaced, not blocks"
    assert (plan.params("mtt", "other").draws, plan.params("mtt", "3c1fc").draws, plan.params("mtt").draws) == (1, 3, 3)
    assert plan.teacher(Cell("saccades", "other", "ltl-offline", 6, 0)).method == "ann-ltl"
    assert plan.teacher(Cell("saccades", "3c1fc", "ltl-offline", 6, 0)).method == "ann"
    for cell in without.cells:
        same = plan.token(cell, "train") == without.token(cell, "train")
        assert same == (cell not in (other, replace(other, method="ltl-offline"))), cell
    assert plan.token(plain, "train") == Plan.load(changed()).token(plain, "train")


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"methods": {"mtt": {"draws": 0}}}, r"variants\.v\.methods\.mtt\.draws"),
        ({"methods": {"mtt": {"t_min": 6}, "sdt-matched": {"t_min": 6}}}, "T_max = t_train > t_min = 6"),
        ({"methods": {"mtt": {"draws": 2}}}, "network v: .*would not have MTT's compute"),
        ({"methods": {"theirs": {}}}, r"variants\.v\.methods\.theirs: .*foreign\.theirs\.params"),
    ],
)
def test_a_variants_hyper_parameters_are_refused_like_the_others(overlay, words):
    one = {"networks": ["v"], "methods": ["mtt", "sdt-matched"], "seeds": [0], "extra": []}
    foreign = {"theirs": {"script": "workflow/foreign/snntorch/train.py"}}
    with pytest.raises(ConfigError, match=words):
        Plan.load(changed(matrix=one, foreign=foreign, variants={"v": {"base": "3c1fc"} | overlay}))


def test_a_variants_parameters_have_one_place():
    with pytest.raises(ConfigError, match=r"networks.v: .* variants.v.params"):
        Plan.load(changed(variants={"v": {"base": "3c1fc"}}, networks={"v": {"gain": 1.0}}))


def test_a_variant_is_nothing_for_a_foreign_script():
    foreign = {"theirs": {"script": "workflow/foreign/snntorch/train.py"}}
    one = {"networks": ["v"], "methods": ["theirs"], "seeds": [0], "extra": []}
    with pytest.raises(ConfigError, match=r"v/theirs.*variants; leave it out"):
        Plan.load(changed(matrix=one, foreign=foreign, variants={"v": {"base": "3c1fc"}}))


@pytest.mark.parametrize("name", ["resnet8", "a/b"])
def test_a_variants_name_is_its_own_and_a_folders(name):
    with pytest.raises(ConfigError, match=f"variants.{name}.*rename it"):
        Plan.load(changed(variants={name: {"base": "3c1fc"}}))


def test_tokens_survive_the_way_through_json():
    plan = Plan.load(changed())
    again = Plan.load(json.loads(json.dumps(plan.config.model_dump(mode="json"))))
    for phase in PHASES:
        assert all(plan.token(cell, phase) == again.token(cell, phase) for cell in plan.cells)


def test_a_probe_that_is_off_is_not_part_of_a_cells_token():
    plain, off, on = (
        Plan.load(changed(probe=probe)) for probe in ({}, {"landscape": [], "timed_steps": 0}, {"landscape": [0.5]})
    )
    cell = Cell("saccades", "3c1fc", "sdt", 6, 0)
    assert "landscape" not in plain.spec(cell, "probe")["probe"]
    assert plain.token(cell, "probe") == off.token(cell, "probe") != on.token(cell, "probe")
    assert plain.token(cell, "train") == on.token(cell, "train")


def test_robustness_is_looked_at_for_the_configured_seeds():
    plan = Plan.load(changed(robustness={"seeds": 2, "recovery": ["sdt"]}))
    for cell in plan.cells:
        asked = (cell.seed in plan.config.matrix.seeds[:2] or cell.method == "sdt") and cell.method not in (
            "ann",
            "chance",
        )
        asked = asked and cell.t_train == 6  # not of SDT*
        assert ("robustness" in plan.phases(cell)) == asked
        assert plan.spec(cell, "robustness")["robustness"]["recovery"] == ["sdt"] * (cell.method == "sdt")
    off = Plan.load(changed(robustness={"seeds": 0}))
    assert not any("robustness" in off.phases(cell) for cell in off.cells)


def test_settings_of_on_chip_learning_rerun_only_what_learns():
    plans = [Plan.load(changed(robustness={"recovery": ["ltl-offline"], "recovery_epochs": k})) for k in (1, 2)]
    for cell in plans[0].cells:
        if "robustness" in plans[0].phases(cell):
            same = plans[0].token(cell, "robustness") == plans[1].token(cell, "robustness")
            assert same == (cell.method != "ltl-offline"), cell


def test_a_method_that_is_planned_at_other_steps_only_is_looked_at_at_its_largest_t():
    matrix = {"methods": ["sdt"], "networks": ["3c1fc"], "t_train": [6], "seeds": [0], "exclude": []}
    plan = Plan.load(changed(matrix=matrix | {"extra": [{"methods": ["tet", "sdt"], "t_train": [2, 4]}]}))
    main_cells = {
        (cell.method, cell.t_train) for cell in plan.cells if {"probe", "robustness"} <= set(plan.phases(cell))
    }
    assert main_cells == {("sdt", 6), ("tet", 4)}


JUDGED_BY = {  # overlays over the default -> papers, and the claims of them that cannot be answered there
    (): (
        "MTT Dspike LTL",
        "dspike_frequent dspike_adapted_matched ltl_conversion_membrane ltl_online_conversion_membrane mtt_flatter_tkd",
    ),
    ("rivals",): ("SLTT OTTT RateBP KDSNN TKD TEBN QCFS SRP", ""),
    ("papers/shortcut",): ("Shortcut", ""),
    ("papers/dspike",): ("Dspike", ""),
    ("papers/ltl",): ("LTL", ""),
    ("cifar10_small",): (
        "MTT Shortcut Dspike LTL",  # images have no events; no robustness; trained at one T
        "mtt_at_each_t mtt_flatter_tkd mtt_event_accuracy mtt_event_accuracy_matched mtt_event_accuracy_tet mtt_events "
        "mtt_events_matched dspike_frequent dspike_adapted_matched ltl_conversion_membrane "
        "ltl_online_conversion_membrane ltl_recovers ltl_online_recovers",
    ),
    ("published/cifar10dvs", "published/cifar10dvs-events"): (
        "MTT",  # the published comparison: SDT and MTT, each fine-tuned from one training
        "mtt_at_each_t mtt_flatter_tkd mtt_flatter_matched mtt_flatter_nmt mtt_flatter_tet mtt_accuracy_tet "
        "mtt_event_accuracy_matched mtt_event_accuracy_tet mtt_events_matched",
    ),
}
PHASE = {
    measurements.CHANGE_OVER_T: "sweep",
    measurements.ACCURACY_BEYOND_TRAINING: "sweep",
    measurements.ACCURACY_AT_EACH_T: "sweep",
    measurements.EVENT_DRIVEN_ACCURACY: "deploy",
    measurements.EVENT_DRIVEN_CHANGE: "deploy",
    measurements.EARLY_GRADIENTS: "probe",
    measurements.MEMORY_GROWTH: "probe",
    measurements.ON_CHIP_GAIN: "robustness",
}


def answers(plan: Plan, claim: Claim) -> bool:
    """Whether some network has all methods of a claim, with enough seeds in common, and the phase that measures it."""
    ablations = ReportSettings.from_config(plan.config.model_dump()).variants
    phase = PHASE.get(claim.quantity, "train")

    def seeds(network: str, method: str) -> set[int]:
        return {
            c.seed for c in plan.all_cells if (c.network, c.method) == (network, method) and phase in plan.phases(c)
        }

    for network in {c.network for c in plan.all_cells} - set(ablations):
        own = [claim.own_variant or network, claim.rival_variant or network][: len(claim.methods)]
        if any(name != network and ablations.get(name) != network for name in own):
            continue
        if claim.networks == DEEPEST_RESIDUAL and deepest_residual([network]) is None:
            continue
        if claim.quantity == measurements.ACCURACY_AT_EACH_T:
            trained = {c.t_train for c in plan.cells if (c.network, c.method) == (network, claim.methods[1])}
            if len(trained) < 2:
                continue
        shared = set.intersection(*map(seeds, own, claim.methods))
        if claim.quantity == measurements.ON_CHIP_GAIN and not set(claim.methods) <= set(
            plan.config.robustness.recovery
        ):
            continue
        if len(shared) >= (1 if claim.quantity == measurements.MEMORY_GROWTH else MIN_SEEDS):
            return True
    return False


@pytest.mark.parametrize("overlays", JUDGED_BY, ids=lambda names: names[-1] if names else "default")
def test_a_benchmark_can_answer_the_claims_that_it_is_about(overlays):
    """And where it cannot, we know of it: seeds in common, and the phase that measures the claim's quantity."""
    papers, unanswered = (names.split() for names in JUDGED_BY[overlays])
    paths = [ROOT / f"config/{name}.yaml" for name in overlays]
    plan = Plan(read_configuration(ROOT / "config/config.yaml", *paths))
    claims = [c for c in CLAIMS if c.paper.startswith(tuple(papers))]
    claims += [c for c in CLAIMS if "tkd" in c.methods and "TKD" in papers and c not in claims]
    assert len(claims) >= 3
    assert {c.name for c in claims if not answers(plan, c)} == set(unanswered)


def test_every_claim_is_answered_by_a_benchmark_that_needs_no_gpu():
    answered = set()
    for overlays, (_, unanswered) in JUDGED_BY.items():
        if not any(name.startswith("published") for name in overlays):
            papers = tuple(JUDGED_BY[overlays][0].split())
            mine = {c.name for c in CLAIMS if c.paper.startswith(papers) or ("TKD" in papers and "tkd" in c.methods)}
            answered |= mine - set(unanswered.split())
    assert answered == {claim.name for claim in CLAIMS}


def test_no_setting_is_searched_with_seeds_of_the_benchmark():
    """What a search prefers by the luck of a seed must not be that seed's luck in the benchmark."""
    for search in sorted((ROOT / "config").glob("*/*search.yaml")):
        below = [] if search.parent.name == "saccades" else [ROOT / f"config/{search.parent.name}.yaml"]
        plans = [Plan(read_configuration(ROOT / "config/config.yaml", *below, *more)) for more in ([], [search])]
        of_benchmark, of_search = ({cell.seed for cell in plan.all_cells} for plan in plans)
        assert of_search.isdisjoint(of_benchmark), search


def test_methods_that_learn_on_simulated_chips_do_so_with_enough_seeds_for_a_verdict():
    plan = Plan.load(changed())
    for method in plan.config.robustness.recovery:
        learning = {c.seed for c in plan.cells if c.method == method and "robustness" in plan.phases(c)}
        assert len(learning) >= MIN_SEEDS


def test_the_schema_file_is_in_step():
    path = ROOT / "workflow/schemas/config.schema.json"
    assert path.read_text() == json.dumps(full_schema(), indent=1) + "\n", (
        f"{path.name} is out of step with the code; mend it with: python -m snn schema > {path.relative_to(ROOT)}"
    )


def test_the_readme_of_the_configuration_explains_every_key():
    text = (ROOT / "config/README.md").read_text()
    blocks = {
        "": Config,
        **{k: f.annotation for k, f in Config.model_fields.items() if hasattr(f.annotation, "model_fields")},
    }
    missing = [
        f"{block}.{key}".strip(".")
        for block, model in blocks.items()
        for key in model.model_fields
        if f"`{key}`" not in text
    ]
    assert not missing, f"config/README.md does not explain {missing}"
