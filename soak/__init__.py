"""Soak and chaos: visitors without pause, while everything the proxy depends on fails in turn.

What every handle leads to changes all the time, by a rule (``truth.py``) that servers and visitors both know.
So each answer can be held against what was true when it was asked for: right, or out of date within the
bounds we promise, or an honest error while something was really broken. Nothing leaves this machine.
"""
