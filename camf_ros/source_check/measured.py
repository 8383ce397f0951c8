"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

#: Fields of :class:`camf_ros.source_check.source_model.Calibration`.
CALIBRATIONS = {
    # camf: 1.615, 0.277, 2.033 from all pairs, 2.019, 0.484, 1.526 from the 81 kept for validation
    "bfe1622bee230953601733b86343ef6f2ae8eb0383c6937c843309de1772fed0": (1.615, 0.277, 1.526, 197),
    # camf-lite: 1.765, -0.014, 1.996 from all pairs, 2.689, 0.470, 2.235 from the 81 kept for validation
    "b3b0194124fd83db3210fa5e4c585d5de3e66f97b089a48fa9377543215d3fc2": (1.765, -0.014, 1.996, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": (0.834, 0.017, 1.317, 197),
}
#: Detail and structure below which a picture shows nothing: half of the least of all pictures.
LEAST_DETAIL, LEAST_STRUCTURE = 2.401, 0.415
