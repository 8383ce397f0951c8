"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

from camf_ros.source_check.calibration import Calibration, Limits

CALIBRATIONS = {
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": Calibration(0.834, 0.017, 1.317, 197),
}

#: Half of the least of all pictures.
LIMITS = Limits(detail=2.401, structure=0.415)
