"""Deployment of networks with biases: refused by the layer's name, or after fine-tuning without them."""

from __future__ import annotations

from jobs import do


def test_a_network_with_batch_norm_is_refused_or_fine_tuned_without_biases(make_job):
    more = {"networks": {"3c1fc": {"norm": "batch"}}, "train": {"epochs": 1}}
    do(make_job("sdt", **more), "train")
    refused = do(make_job("sdt", "deploy", **more), "deploy").folder.record("deploy")
    assert refused["status"] == "refused"
    assert "stages.0" in refused["reason"]
    e = make_job("sdt", "deploy", **more, deploy={"bias_free_epochs": 1})
    assert do(e, "deploy").folder.record("deploy")["status"] == "ok"
    assert e.folder.network_file.exists()
