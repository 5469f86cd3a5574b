"""Runs orchestrator-client for its tests."""

import os
import pathlib
import shutil
import subprocess

from mock_api import MockApi

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "apid" / "client" / "orchestrator-client"


class Client:
    """Runs the script against mock endpoints in a clean environment, without the waits between tries."""

    def __init__(self, tmp_path):
        self.script = SCRIPT
        self.tmp = tmp_path / "tmp"
        self.tmp.mkdir()
        self.mocks = []
        self.env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(self.tmp),
                    "ORCHESTRATOR_CLIENT_RETRY_SCALE": "0"}

    def mock(self, answers=None):
        mock = MockApi()
        mock.answers = answers or {}
        self.mocks.append(mock)
        self.env["ORCHESTRATOR_API"] = " ".join(m.url for m in self.mocks)
        return mock

    def run(self, *args, **env):
        result = subprocess.run([shutil.which("bash"), str(self.script), *args], env={**self.env, **env}, text=True,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        assert list(self.tmp.iterdir()) == [], "temporary files left behind"
        return result
