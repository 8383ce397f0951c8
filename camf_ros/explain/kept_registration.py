"""Keeps what the pipeline gave the network, for the explanation: registration by itself hands it on and forgets it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_maps import Rig, Size
from camf_ros.imaging.registration import Aligned, AlignedAlone, Picture, PlannedRegistration, Registration
from camf_ros.settings.registration import RegistrationSettings


class KeptRegistration:
    """A registration that remembers its last pair. Costs a reference to two pictures.

    Attributes:
        last: Both pictures of the last pair as the network was given them; None before the first.
    """

    def __init__(self, registration: Registration | None = None) -> None:
        """Stand before another registration; :class:`PlannedRegistration` when left out."""
        self._registration = registration or PlannedRegistration()
        self.last: Aligned | None = None

    def align(
        self, thermal: Picture, rgb: Picture, *, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """See :meth:`Registration.align`."""
        self.last = None
        self.last = self._registration.align(thermal, rgb, reference=reference, settings=settings, rig=rig)
        return self.last

    def align_alone(
        self,
        camera: str,
        image: Picture,
        *,
        other: Size | None,
        reference: str,
        settings: RegistrationSettings,
        rig: Rig,
    ) -> AlignedAlone:
        """See :meth:`Registration.align_alone`."""
        return self._registration.align_alone(
            camera, image, other=other, reference=reference, settings=settings, rig=rig
        )


def seen_by_both(aligned: Aligned) -> NDArray[np.uint8] | None:
    """Where the fused picture is fused.

    Returns:
        (H, W), 255 where it is, 0 where it shows one camera as it is or nothing, between them in the transition; None:
        everywhere.
    """
    if aligned.coverage is None:
        return None
    # What the coverage makes of white in the place of the fused picture and black in the place of both others.
    size = aligned.rgb.shape[:2]
    black = np.zeros(size, np.uint8)
    return aligned.coverage.fill(np.full(size, 255, np.uint8), black, black)
