"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Derandomised where the result must not depend on luck; "deep" is for an afternoon by hand.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
