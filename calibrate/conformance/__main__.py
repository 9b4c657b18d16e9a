"""``python -m calibrate.conformance FOLDER``: one trial, in a process of its own."""

import sys

from calibrate.conformance.trial import main

sys.exit(main())
