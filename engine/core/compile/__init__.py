"""From declared classes to machine code: declare, check, build, cache."""

import os

# Intel's vector library would round exp and log differently from the interpreter's libm.
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")
