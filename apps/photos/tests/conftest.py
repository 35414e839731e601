from __future__ import annotations

import sys
from pathlib import Path

# Beside the tests: `samples`. Above them: the package, which a test of the pure functions imports without any provider.
for folder in (Path(__file__).parent, Path(__file__).parent.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
