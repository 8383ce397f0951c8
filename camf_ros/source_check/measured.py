"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

#: Fields of :class:`camf_ros.source_check.source_model.Calibration`.
CALIBRATIONS = {
    # camf: 1.623, 0.253, 2.582 from all pairs, 1.582, 0.409, 1.243 from the 81 kept for validation
    "c13529a84286b3c8af2a158f4158f964605393f3c1bb3e2b9712ec5a010cea5d": (1.582, 0.409, 1.243, 197),
    # camf-lite: 0.595, 0.773, 0.616 from all pairs, 0.693, 0.377, 0.524 from the 81 kept for validation
    "3c498f6a1c754f2b9256ac3db70a297576a6f10ef90ee011ce31b93986823ac6": (0.595, 0.773, 0.524, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": (0.834, 0.017, 1.317, 197),
}
#: Detail and structure below which a picture shows nothing: half of the least of all pictures.
LEAST_DETAIL, LEAST_STRUCTURE = 2.401, 0.415
