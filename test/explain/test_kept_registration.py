"""What the pipeline gave the network is what gets explained."""

from __future__ import annotations

import numpy as np
import pytest
from explaining import colour, grey, model

from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.errors import RegistrationError
from camf_ros.explain.explainer import Explainer
from camf_ros.explain.kept_registration import KeptRegistration, seen_by_both
from camf_ros.imaging.camera_maps import Rig
from camf_ros.imaging.coverage import Coverage
from camf_ros.imaging.registration import Aligned, PlannedRegistration
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion import FusionSettings
from camf_ros.settings.registration import RegistrationSettings


def test_hands_on_what_the_other_makes():
    thermal, rgb, settings = grey(1, 30, 40), colour(2, 60, 80), RegistrationSettings()
    kept, options = KeptRegistration(), {"reference": "rgb", "settings": settings, "rig": Rig()}
    assert kept.last is None
    aligned = kept.align(thermal, rgb, **options)
    assert kept.last is aligned
    expected = PlannedRegistration().align(thermal, rgb, **options)
    np.testing.assert_array_equal(aligned.thermal, expected.thermal)
    alone = kept.align_alone("rgb", rgb, other=None, **options)
    np.testing.assert_array_equal(alone.image, rgb)
    assert kept.last is aligned


def test_a_pair_that_fails_leaves_nothing_behind():
    kept, settings = KeptRegistration(), RegistrationSettings(mode="none")
    kept.align(grey(1, 30, 40), grey(2, 30, 40), reference="rgb", settings=settings, rig=Rig())
    with pytest.raises(RegistrationError):
        kept.align(grey(1, 30, 40), grey(2, 60, 80), reference="rgb", settings=settings, rig=Rig())
    assert kept.last is None


def test_explains_what_the_engine_fused(tmp_path):
    engine = TorchEngine(model(tmp_path), device="cpu", precision="float32")
    kept = KeptRegistration()
    thermal, rgb = grey(1, 60, 80).astype(np.uint16) * 16, colour(2, 60, 80)
    frame = FusionPipeline(engine, FusionSettings(), kept).fuse(thermal, rgb, stamp=0.0)
    assert kept.last is not None
    e = Explainer(model(tmp_path)).explain(kept.last.thermal, kept.last.rgb, frame.image, frame.gain)
    # At the size of the picture nothing is shrunk: these are the engine's own numbers.
    np.testing.assert_allclose(e.activation[0], frame.infrared_activation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.activation[1], frame.visible_activation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.infrared_share, frame.infrared_share, rtol=0, atol=1e-4)


def test_where_both_see():
    thermal, rgb = np.full((20, 40), 255, np.uint8), np.full((20, 40), 255, np.uint8)
    thermal[:, :10] = 0
    rgb[:, 30:] = 0
    picture = np.zeros((20, 40), np.uint8)
    seen = seen_by_both(Aligned(picture, picture, Coverage(thermal, rgb, feather=0), picture))
    assert seen is not None
    assert (seen == np.where((thermal > 0) & (rgb > 0), 255, 0)).all()
    feathered = seen_by_both(Aligned(picture, colour(1, 20, 40), Coverage(thermal, rgb, feather=4), picture))
    assert feathered is not None
    assert feathered.shape == (20, 40)
    assert (np.diff(feathered[5, 9:16].astype(int)) >= 0).all()
    assert seen_by_both(Aligned(picture, picture)) is None
