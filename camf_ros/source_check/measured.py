"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

#: Fields of :class:`camf_ros.source_check.source_model.Calibration`.
CALIBRATIONS = {
    # camf: 1.828, -0.128, 2.482 from all pairs, 2.942, 0.451, 2.545 from the 81 kept for validation
    "3f8fbbc192f990134c1ed5ec63f4bb4032d140294bb461382185215363543373": (1.828, -0.128, 2.482, 197),
    # camf-lite: 1.950, -0.076, 2.017 from all pairs, 2.268, 0.110, 1.908 from the 81 kept for validation
    "3e875aa56cf3727215260c1b40696bb210ea8a84312d8ada1e947dd5995a898c": (1.950, -0.076, 1.908, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": (0.834, 0.017, 1.317, 197),
}
#: Detail and structure below which a picture shows nothing: half of the least of all pictures.
LEAST_DETAIL, LEAST_STRUCTURE = 2.401, 0.415
