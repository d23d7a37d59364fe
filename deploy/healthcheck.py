"""Ask the server in this container whether it takes work; the exit code is the answer."""

import os
import sys
import urllib.request

try:
    address = f"http://127.0.0.1:{os.environ.get('GOVOR_PORT', '8000')}/health"
    with urllib.request.urlopen(address, timeout=4) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
