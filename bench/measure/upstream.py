"""The fixed upstream, and what it makes for a run: a certificate authority, keys, callers' tokens."""

import http.client
import json
import subprocess

from processes import Program


class Upstream:
    def __init__(self, programs, directory, tokens_shown_once=0):
        self.directory = directory
        command = [programs.upstream, "--dir", directory, "--callers", "16", "--once", str(tokens_shown_once)]
        log = directory / "upstream.log"
        self.program = Program(command, log)
        while not log.read_text().endswith("}\n"):
            try:
                self.program.process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"the upstream does not start:\n{log.read_text()}")
        addresses = json.loads(log.read_text())
        self.http, self.https = addresses["http"], addresses["https"]

    def address(self, scheme):
        return self.https if scheme == "https" else self.http

    def counts(self):
        """How often it was asked for what, since its start."""
        host, port = self.http.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        try:
            connection.request("GET", "/counts")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
