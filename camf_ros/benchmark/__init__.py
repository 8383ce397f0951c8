"""How fast the engines are: every engine, model and picture size against the plain network, in one run.

Each case (model, engine, precision, size) runs in a process of its own, so that its memory is its own and its end is
not the end of the run. The measuring process starts, asks and stops these children; only one of them computes at a
time.
"""
