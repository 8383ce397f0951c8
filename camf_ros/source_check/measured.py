"""How the shipped classifiers' scores become probabilities, by the hash of the weights.

Written by ``benchmarks/source_calibration.py`` from roadscene/train and tno/train, 197 pairs.
"""

#: Fields of :class:`camf_ros.source_check.source_model.Calibration`.
CALIBRATIONS = {
    # camf: 1.328, 0.103, 1.555 from all pairs, 1.413, 0.216, 0.962 from the 81 kept for validation
    "0b525fda985f937e6f3fd87a0b326de969cb8523971fb4707cd318b6b56fefe9": (1.328, 0.103, 0.962, 197),
    # camf-lite: 0.693, 1.509, 0.866 from all pairs, 0.809, 1.461, 0.906 from the 81 kept for validation
    "491e7383fb149208eb8c4752f557cd69b2eb3ef0b20997b23fa51ed7562d6a77": (0.693, 1.509, 0.866, 197),
    # camf-paper: 0.834, 0.017, 1.317 from all pairs, 3.504, 2.129, 4.948 from the 19 kept for validation
    "bfaae43ea3883b0fcbabf36eeddfcc806f954e6f88bbc520e8dcad7977b2fcf0": (0.834, 0.017, 1.317, 197),
}
#: Detail and structure below which a picture shows nothing: half of the least of all pictures.
LEAST_DETAIL, LEAST_STRUCTURE = 2.401, 0.415
