"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

from camf_ros.source_check.calibration import Calibration, Limits

CALIBRATIONS = {
    # camf: 1.408, 0.250, 1.802 from all pairs, 1.353, 0.248, 1.018 from the 81 kept for validation
    "c3ca0ce992207c066c2f4c9b34e967a2715dfdd5bb7f909716e6118d6a39f324": Calibration(1.353, 0.248, 1.018, 197),
    # camf-lite: 1.771, 0.107, 2.264 from all pairs, 2.323, 0.777, 2.457 from the 81 kept for validation
    "38eb0c1db7d2dc62c9a7a634b6e6091166825b1ef39e49e72530623b6267203a": Calibration(1.771, 0.107, 2.264, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": Calibration(0.834, 0.017, 1.317, 197),
}

#: Half of the least of all pictures.
LIMITS = Limits(detail=2.401, structure=0.415)
