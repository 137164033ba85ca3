"""`python -m inwit` is the `inwit` command."""

import sys

from inwit.cli.main import main

sys.exit(main())
