"""pyqtgraph, as all plots use it, without the bindings of CUDA: it imports them, where torch brought them along, for a
widget that shows video, and the start of the window would wait for them."""

from __future__ import annotations

import sys

__all__ = ["pg"]

_unwanted = "cuda" not in sys.modules
if _unwanted:
    sys.modules["cuda"] = None  # to Python: there is no such module
try:
    import pyqtgraph as pg
finally:
    if _unwanted:
        del sys.modules["cuda"]
