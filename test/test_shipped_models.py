"""The models that come with the package: they load, do what they are for, and their cards say what they are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from streets import night_street

from camf_ros.engines.choose import open_engine, open_inspector
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.models import find_model, shipped_models
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.training.card import card_facts

#: A moment with people near and far.
MOMENT = 12.0
CHECKOUT = Path(__file__).resolve().parents[1]


def test_the_default_model_is_shipped():
    assert find_model(FusionSettings().model) == find_model("camf")
    assert {"camf", "camf-lite", "camf-paper"} == set(shipped_models())


def checkpoint_of(name):
    path = find_model(name).checkpoint
    assert path is not None
    return load_checkpoint(path)


@pytest.mark.parametrize("name", shipped_models())
def test_card_holds_the_facts_of_the_checkpoint(name):
    card = (CHECKOUT / "models" / f"{name}.md").read_text(encoding="utf-8")
    assert card_facts(checkpoint_of(name)) in card, f"write them anew: camf info {name} --markdown"


@pytest.mark.parametrize("name", shipped_models())
def test_checkpoint_knows_where_it_comes_from(name):
    training = checkpoint_of(name).training
    for entry in ("recipe", "command", "commit", "data_hash", "metrics"):
        assert training[entry], entry
    assert training["recipe"]["name"] == name


@pytest.mark.parametrize("name", shipped_models())
def test_all_files_are_of_one_model(name):
    checkpoint, model = checkpoint_of(name), find_model(name)
    assert checkpoint.name == name
    for graph in (model.read_graph(), model.read_inspection()):
        assert graph.info.name == name
        assert graph.info.hash == checkpoint.hash
        assert graph.info.architecture == checkpoint.network.architecture
        assert graph.info.training == checkpoint.training


@pytest.mark.parametrize("name", shipped_models())
def test_all_files_give_one_picture(name, street):
    visible = np.ascontiguousarray(RgbPicture(street.rgb(MOMENT)).luminance[60:252, 200:440])
    infrared = np.ascontiguousarray(np.roll(visible, 40, axis=1)[::-1])
    fused, scores = [], []
    for engine in ("torch", "openvino", "onnxruntime"):
        opened = open_engine(engine, find_model(name), device="cpu", precision="float32", threads=1)
        fused.append(opened.fuse(infrared, visible).fused.astype(int))
        scores.append(open_inspector(find_model(name), name=engine).logits(infrared, visible))
    for other in (1, 2):
        assert np.abs(fused[other] - fused[0]).max() <= 1
        assert (fused[other] != fused[0]).mean() < 0.01, "ties alone may be rounded otherwise"
        np.testing.assert_allclose(scores[other], scores[0], rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def street():
    """The scene at half size: quick, and still full of detail."""
    return night_street((640, 360), (320, 256))


@pytest.mark.parametrize("name", shipped_models())
def test_fused_street_shows_what_only_one_camera_sees(name, street):
    engine = open_engine("openvino", find_model(name), device="cpu", precision="float32", threads=1)
    rgb = street.rgb(MOMENT)
    frame = FusionPipeline(engine).fuse(street.thermal(MOMENT), rgb, MOMENT)
    fused, visible = RgbPicture(frame.image).luminance.astype(float), RgbPicture(rgb).luminance.astype(float)
    # Dark figures in the RGB picture, hot ones in the thermal: the fused picture shows them lighter than RGB does.
    near = [person for person in street.people(MOMENT) if person.distance < 20]
    assert near
    for person in near:
        width, height = person.right - person.left, person.bottom - person.top
        trunk = np.s_[
            round(person.top + 0.2 * height) : round(person.top + 0.5 * height),
            round(person.left + 0.4 * width) : round(person.left + 0.6 * width),
        ]
        if fused[trunk].size:
            assert fused[trunk].mean() > visible[trunk].mean() + 15, person
    # Structure that only RGB has, street-wide: what is fine in the fused picture goes with what is fine in RGB.
    fine = [picture - cv2.GaussianBlur(picture, (0, 0), 3) for picture in (fused, visible)]
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.5
    assert frame.infrared_share.std() > 0.01, "channels differ in what they take from where"
