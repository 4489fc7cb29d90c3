"""Every route as the OpenAPI document tells it: `python -m fuzz.openapi EXAMPLES`. Needs schemathesis, for `make fuzz`.

Runs Schemathesis against a real collector, once with the admin key and once, for what is written, with the write key.
Not the stream of GET /v1/live: it has no end to wait for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from collector_process import CollectorProcess
from fuzz.surface import KEYS

HERE = Path(__file__).parent
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "ignored_auth"),
)


def main(examples: int) -> int:
    """Ask every operation so often; return the exit code of the first run that found something."""
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w") as log:
        with CollectorProcess(Path(folder) / "data") as collector:
            assert collector.process.stderr is not None
            tee = subprocess.Popen(["cat"], stdin=collector.process.stderr, stdout=log)
            codes = [
                _run(collector.url, "admin", examples, r"--exclude-path-regex=^/v1/(events|live)$", folder),
                _run(collector.url, "write", examples, "--include-path=/v1/events", folder),
            ]
            collector.process.terminate()
            codes.append(collector.process.wait(timeout=30))
            tee.wait()
        if "Traceback" in (Path(folder) / "log").read_text():
            codes.append(1)
    return next((code for code in codes if code), 0)


def _run(url: str, scope: str, examples: int, chosen: str, folder: str) -> int:
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "run", str(HERE.parents[1] / "schemas" / "openapi.json")),
        *("--url", url, "--header", f"Authorization: Bearer {KEYS[scope].decode()}", "--checks", ",".join(CHECKS)),
        *("--max-examples", str(examples), "--seed", "1", "--generation-database", "none", "--warnings", "off"),
        *(chosen, "--continue-on-failure"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "fuzz.openapi_hooks", "PYTHONPATH": str(HERE.parent)}
    return subprocess.run(command, env={**os.environ, **hooks}, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
