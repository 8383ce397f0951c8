"""Images on their way into the network and out of it: decoding, thermal grey levels, registration, colour."""
