"""Targets open by name, say what they are, and fail with advice."""

import copy
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from latentleak.targets import Target, TargetError, load
from latentleak.targets.sampling import generate


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_formats_load_and_sample(folders: dict[str, Path], name: str) -> None:
    pipe = load(str(folders[name]), device="cpu").open()
    images = generate(pipe, ["a cat", "a dog with a hat"], seed=0, steps=3)
    assert images.shape == (2, 3, 8, 8)
    assert torch.isfinite(images).all()
    assert not torch.equal(images[0], images[1])


def test_only_named_components_are_read(folders: dict[str, Path]) -> None:
    pipe = load(str(folders["sd1"])).open("unet", "scheduler")
    assert pipe.vae is None
    assert pipe.text_encoder is None
    assert not pipe.unet.training
    assert not any(p.requires_grad for p in pipe.unet.parameters())


def test_components_are_shared_in_a_process() -> None:
    target = load("tiny")
    assert target.open("unet").unet is load("tiny").open("unet", "vae").unet


def test_local_model() -> None:
    target = load("tiny")
    cloud, local = target.open("unet"), target.open("unet", model="local")
    assert local.unet.num_parameters() < cloud.unet.num_parameters()
    assert local.unet.config.in_channels == cloud.unet.config.in_channels


def test_local_of_another_folder(folders: dict[str, Path]) -> None:
    target = load(str(folders["sd1"]), local=str(folders["sd2"]))
    assert target.open("scheduler", model="local").scheduler.config.prediction_type == (
        "v_prediction"
    )
    alone = load(str(folders["sd1"]))
    assert alone.open("unet").unet is alone.open("unet", model="local").unet


def test_dtype(folders: dict[str, Path]) -> None:
    pipe = load(str(folders["sd1"]), dtype="bfloat16").open()
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.bfloat16}
    assert generate(pipe, ["a cat"], seed=0, steps=2).dtype == torch.float32


def test_rebuilt_from_json_and_copied(folders: dict[str, Path]) -> None:
    target = load(str(folders["sd1"]), local="tiny", dtype="float16", device="cpu")
    assert Target(**json.loads(json.dumps(dataclasses.asdict(target)))) == target
    assert copy.deepcopy(target) == target


def test_record_names_every_component_and_no_path(folders: dict[str, Path]) -> None:
    record = load(str(folders["sd1"])).to_dict()
    assert record["spec"] == "sd1"
    assert str(folders["sd1"].parent) not in json.dumps(record)
    names = {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}
    assert {f"cloud/{n}" for n in names} | {f"local/{n}" for n in names} == set(record["digests"])
    assert all(len(value) == 64 for value in record["digests"].values())


def test_tiny_is_the_same_in_every_process() -> None:
    code = "from latentleak.targets import load; print(load('tiny').digests['cloud/unet'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == load("tiny").digests["cloud/unet"]
    assert out.stderr == ""


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, latentleak.targets.pipeline; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_spec() -> None:
    with pytest.raises(TargetError, match="neither a folder that exists nor a hub id"):
        load("no-such-model")


def test_offline_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TargetError, match="check the name and the network"):
        load("latentleak/no-such-model")


def test_folder_without_index(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"no model_index\.json"):
        load(str(tmp_path))


def test_other_architecture(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(TargetError, match="is a FluxPipeline; supported are"):
        load(str(tmp_path))


def test_missing_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folders["sd1"], broken)
    for path in (broken / "unet").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(TargetError, match=r"'unet' of 'broken' does not load.*safetensors"):
        load(str(broken)).open("unet")


def test_pickled_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "pickled"
    shutil.copytree(folders["sd1"], broken)
    for path in (broken / "unet").glob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(TargetError, match="no pickled"):
        load(str(broken)).open("unet")


def test_remote_code_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "remote"
    shutil.copytree(folders["sd1"], broken)
    index = json.loads((broken / "model_index.json").read_text())
    index["unet"] = ["evil", "Model"]
    (broken / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(TargetError, match="never remote code"):
        load(str(broken)).open("unet")


def test_unknown_component() -> None:
    with pytest.raises(TargetError, match="'decoder' is not in this pipeline, which has"):
        load("tiny").open("decoder")


def test_options_are_checked() -> None:
    with pytest.raises(TargetError, match="dtype='int8' must be one of"):
        load("tiny", dtype="int8")
    with pytest.raises(TargetError, match="applies to hub models only"):
        load("tiny", revision="main")
