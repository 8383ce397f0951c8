"""The pairs of a recording as the node gives them to the network: paired, with the thermal grey levels.

As they were recorded they are in :mod:`camf_ros.bag.recorded_pairs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camf_ros.bag.message_types import MessageTypes, distro_of
from camf_ros.bag.player import BagFusion, Progress, Tally, learn
from camf_ros.bag.reader import BagReader, BagTopics
from camf_ros.detector_picture import Wanted
from camf_ros.engines.engine import Engine
from camf_ros.fusion import Fusion
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.warp import Rig
from camf_ros.settings.fusion_settings import FusionSettings

#: Called with thermal (grey levels, hot as white), RGB, stamp in seconds, and what is known of the cameras.
Take = Callable[[NDArray[np.uint8], NDArray[np.uint8], float, Rig], None]


def read_pairs(
    source: Path,
    topics: BagTopics,
    engine: Engine,
    settings: FusionSettings,
    *,
    take: Take,
    progress: Progress,
    distro: str = "",
) -> Tally:
    """Go through a recording and hand out its pairs in the order of their stamps.

    ``engine`` is that whose model the pictures are for; ``distro`` that of a recording that does not say it itself.

    Raises:
        BagError: If the recording cannot be read.
        CamfError: If the settings cannot be used.
    """

    def listen(fusion: Fusion) -> None:
        pictures, last = fusion.pipeline.pictures, fusion.last
        assert last is not None
        stamp = last.header.stamp
        take(pictures["thermal"], pictures["rgb"], stamp.sec + 1e-9 * stamp.nanosec, last.rig)

    with BagReader(source) as bag:
        types = MessageTypes(distro_of(distro, bag.distro, silent=bag.silent))
        roles = topics.inputs(bag, settings)
        # A camera that is frozen is to be noticed, not passed by.
        settings = replace(settings, on_missing="wait")
        fusion = BagFusion(
            engine,
            settings,
            PlannedRegistration.checked(settings.registration),
            types=types,
            roles=roles,
            start=bag.start,
            wanted=Wanted(eyes=False, detector=False),
            listen=listen,
        )
        learn(bag, roles, fusion)
        for message in progress(bag.messages(), bag.count):
            for _ in fusion.take(message.connection.topic, message.time, message.data):
                pass
        for _ in fusion.finish():
            pass
        return fusion.tally
