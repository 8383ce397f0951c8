"""Fixed numbers of the method that both the PyTorch network and the exported graph need."""

from __future__ import annotations

#: Pixels that the decoder's two 'valid' 3x3 layers take from each border; the input is padded by as many.
BORDER = 2
#: What inference multiplies the automatic gain with. A decoder gives back a little less contrast than its features
#: have; of 1, 1.1, 1.2 and 1.3 this was best on the validation pairs.
CONTRAST = 1.1
#: Least and greatest automatic gain: what an odd pair (two blank pictures, a picture and its negative) may ask for.
GAIN_RANGE = (0.5, 1.5)
#: Contrast below this share of the brightness of the features (1 % in amplitude) does not count in the automatic gain:
#: with a covered lens it is noise, and what rounding leaves of it.
FAINT = 1e-4
#: Nothing to divide by where all features are silent.
NOTHING = 1e-12
#: Grey level 127.5 is 0 in the network, 0 is -1 and 255 is 1.
GREY = 127.5
