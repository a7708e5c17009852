"""Settings that all tests share."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

slow_examples = [HealthCheck.too_slow, HealthCheck.data_too_large]  # an example compiles a network or two

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=25, suppress_health_check=slow_examples)
settings.register_profile("thorough", deadline=None, max_examples=400, suppress_health_check=slow_examples)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job, and processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
