"""A Kubernetes control plane on loopback with nothing behind it: etcd, the API server and the controllers.

There are no nodes. A thread stands in for them and for load balancers: it calls every pod ready, and that of a test
done.
"""

import collections
import http.client
import json
import pathlib
import secrets
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

PROGRAMS = pathlib.Path(__file__).parent / "bin"
# How long a program may take to start or to end, and a controller to do what it is to do, in seconds.
PATIENCE = 60


class Answer(collections.namedtuple("Answer", "status object warnings")):
    """What the API server has answered."""

    def said(self):
        return f"{self.status} {self.object.get('message', '')} {' '.join(self.warnings)}"


class Unexpected(Exception):
    """What was seen in place of what was expected."""


class Plane:
    """Runs while it is entered, and ends what it has started. `home` is a directory of its own."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.token = secrets.token_hex(16)
        self.started = []
        self.nodes = None
        self.leaving = threading.Event()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.leaving.set()
        if self.nodes:
            self.nodes.join()
        for program in reversed(self.started):
            program.terminate()
            try:
                program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def start(self):
        key, tokens, kubeconfig = (self.home / name for name in ("key", "tokens", "kubeconfig"))
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens.touch(0o600)
        tokens.write_text(f"{self.token},admin,admin,system:masters\n")
        etcd, peer = f"unix://{self.home}/etcd", f"unix://{self.home}/peer"
        self.run("etcd", data_dir=self.home / "data", log_level="error",
                 listen_client_urls=etcd, advertise_client_urls=etcd, listen_peer_urls=peer,
                 initial_advertise_peer_urls=peer, initial_cluster=f"default={peer}")
        self.port = free_port()
        # The issuer is that of most clusters, and of the chart's examples.
        self.run("kube-apiserver", etcd_servers=etcd, cert_dir=self.home / "certificates",
                 bind_address="127.0.0.1", advertise_address="127.0.0.1", secure_port=self.port,
                 endpoint_reconciler_type="none", service_cluster_ip_range="10.96.0.0/16",
                 authorization_mode="RBAC", token_auth_file=tokens,
                 service_account_issuer="https://kubernetes.default.svc.cluster.local",
                 service_account_key_file=key, service_account_signing_key_file=key)
        self.ca = self.home / "certificates/apiserver.crt"
        eventually("the API server is ready", self.is_ready)
        kubeconfig.touch(0o600)
        kubeconfig.write_text(json.dumps(self.kubeconfig()))
        self.run("kube-controller-manager", kubeconfig=kubeconfig, secure_port=0, leader_elect="false",
                 service_account_private_key_file=key, root_ca_file=self.ca)
        self.nodes = threading.Thread(target=self.stand_in_for_nodes)
        self.nodes.start()

    def run(self, name, **options):
        arguments = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
        with open(self.home / f"{name}.log", "w") as log:
            program = subprocess.Popen([PROGRAMS / name, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.started.append(program)

    def kubeconfig(self):
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.ca)}
        return {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }

    def is_ready(self):
        for program in self.started:
            if program.poll() is not None:
                name = pathlib.Path(program.args[0]).name
                said = (self.home / f"{name}.log").read_text()[-2000:]
                raise SystemExit(f"{name} ended with {program.returncode}:\n{said}")
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, kind="application/json", token=None, **query):
        """What the API server answers, with its warnings; to the administrator, unless there is a token."""
        trust = ssl.create_default_context(cafile=self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=trust, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": kind}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        try:
            connection.request(method, f"{path}?{urllib.parse.urlencode(query)}", body, headers)
            response = connection.getresponse()
            text, warnings = response.read(), response.headers.get_all("Warning") or []
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(text), warnings)
        except ValueError:
            return Answer(response.status, {"message": text.decode(errors="replace")}, warnings)

    def stand_in_for_nodes(self):
        while not self.leaving.wait(0.1):
            for pod in self.ask("GET", "/api/v1/pods").object["items"]:
                ends = pod["spec"]["restartPolicy"] == "Never"
                phase = "Succeeded" if ends else "Running"
                if pod["status"].get("phase") != phase:
                    # Long ago, or minReadySeconds would be waited for.
                    ready = {"type": "Ready", "status": str(not ends), "lastTransitionTime": "2020-01-01T00:00:00Z"}
                    self.say("pods", pod, {"phase": phase, "conditions": [ready]})
            for service in self.ask("GET", "/api/v1/services").object["items"]:
                if service["spec"]["type"] == "LoadBalancer" and not service["status"]["loadBalancer"]:
                    self.say("services", service, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})

    def say(self, kind, of, status):
        path = f"/api/v1/namespaces/{of['metadata']['namespace']}/{kind}/{of['metadata']['name']}/status"
        self.ask("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(what, happens):
    """Asks again and again until it happens; says so where it does not."""
    end = time.monotonic() + PATIENCE
    while not (seen := happens()):
        if time.monotonic() > end:
            raise Unexpected(f"not within {PATIENCE} s: {what}")
        time.sleep(0.1)
    return seen
