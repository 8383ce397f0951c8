"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

from camf_ros.source_check.calibration import Calibration, Limits

CALIBRATIONS = {
    # camf: 3.186, -0.109, 2.095 from all pairs, 2.887, -0.710, 1.805 from the 57 kept for validation
    "c36117ddad6b95550caae301e8e880a0bc181a06c45df6e9a66d31844d186253": Calibration(2.887, -0.710, 1.805, 197),
    # camf-lite: 3.055, -0.415, 3.106 from all pairs, 5.128, -1.135, 2.497 from the 57 kept for validation
    "8c6d7035af19eb7ee149b48059739e741ddbce053b75bc7fe4b969c19b481a23": Calibration(3.055, -0.415, 2.497, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": Calibration(0.834, 0.017, 1.317, 197),
}

#: Half of the least of all pictures.
LIMITS = Limits(detail=2.401, structure=0.415)
