"""Fuzzing: what strangers send, mutated with the coverage in view, against what we promise about reading it.

``targets.py`` says what is read and what must hold; ``engine.py`` runs one target under atheris;
``python -m fuzz`` runs them all and counts. The inputs that reach something of their own are kept in
``corpus/<target>/`` and are read again by the tests, without atheris.
"""
