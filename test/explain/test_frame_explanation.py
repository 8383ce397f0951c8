"""What the pipeline gave the network is what gets explained."""

from __future__ import annotations

import numpy as np
import pytest
from explaining import colour, grey, model

from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.errors import ImageError
from camf_ros.explain.explainer import Explainer
from camf_ros.explain.seen_by_both import seen_by_both
from camf_ros.frame_explanation import explain_frame
from camf_ros.imaging.coverage import Coverage
from camf_ros.imaging.registration import Aligned
from camf_ros.pipeline import FusionPipeline


def test_explains_what_the_engine_fused(tmp_path):
    engine = TorchEngine(model(tmp_path), device="cpu", precision="float32")
    thermal, rgb = grey(1, 60, 80).astype(np.uint16) * 16, colour(2, 60, 80)
    frame = FusionPipeline(engine).fuse(thermal, rgb, stamp=0.0)
    e = explain_frame(Explainer(model(tmp_path)), frame, automatic=True)
    assert (e.gain, e.automatic) == (frame.gain, True)
    # At the size of the picture nothing is shrunk: these are the engine's own numbers.
    np.testing.assert_allclose(e.activation[0], frame.infrared_activation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.activation[1], frame.visible_activation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.infrared_share, frame.infrared_share, rtol=0, atol=1e-4)


def test_frame_that_nobody_registered(tmp_path):
    engine = TorchEngine(model(tmp_path), device="cpu", precision="float32")
    frame = FusionPipeline(engine).fuse(grey(1, 60, 80), colour(2, 60, 80), stamp=0.0)._replace(aligned=None)
    with pytest.raises(ImageError, match="does not say what it was fused from"):
        explain_frame(Explainer(model(tmp_path)), frame, automatic=True)


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
