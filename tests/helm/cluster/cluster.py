"""A control plane with what the chart's rows name, Helm beside it, and what there is to see."""

import os
import pathlib
import re
import subprocess

from plane import PROGRAMS, Unexpected, eventually

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "helm/partner-gateway"
HELMS = ["helm3", "helm4"]
# The namespace that ci/everything-values.yaml names.
NAMESPACE, RELEASE = "partner", "gw"
LABEL = f"app.kubernetes.io/instance={RELEASE}"


class Cluster:
    """A plane with a namespace that is `restricted`, the operator's kinds and a priority class."""

    def __init__(self, plane):
        self.plane = plane
        self.ask = plane.ask
        levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        self.make("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": levels}})
        name = {"metadata": {"name": "business-critical"}, "value": 1000}
        self.make("/apis/scheduling.k8s.io/v1/priorityclasses", name)
        for kind in ("podmonitors", "prometheusrules", "servicemonitors"):
            definition = (PROGRAMS / f"crds/monitoring.coreos.com_{kind}.yaml").read_text()
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            self.make(path, definition, kind="application/yaml")
            path = f"/apis/monitoring.coreos.com/v1/{kind}"
            eventually(f"{kind} can be listed", lambda: self.ask("GET", path).status == 200)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        eventually("the namespace has its account", lambda: self.ask("GET", account).status == 200)
        self.kinds = self.discover()

    def discover(self):
        """The path of each kind of object that lives in a namespace, by API version and kind."""
        groups = [group["preferredVersion"]["groupVersion"] for group in self.ask("GET", "/apis").object["groups"]]
        kinds = {}
        for version, path in [("v1", "/api/v1"), *((group, f"/apis/{group}") for group in groups)]:
            for it in self.ask("GET", path).object["resources"]:
                if it["namespaced"] and {"list", "create"} <= set(it["verbs"]):
                    kinds[version, it["kind"]] = f"{path}/namespaces/{NAMESPACE}/{it['name']}"
        return kinds

    def make(self, path, body, **query):
        answer = self.ask("POST", path, body, **query)
        expect(answer.status == 201, f"{path}: {answer.said()}")
        return answer.object

    def tried(self, version, kind, text):
        """What the API server says of an object as it stands, and makes of it; nothing is kept."""
        strictly = {"dryRun": "All", "fieldValidation": "Strict"}
        return self.ask("POST", self.kinds[version, kind], text, "application/yaml", **strictly)

    def listed(self, version, kind):
        return self.ask("GET", self.kinds[version, kind]).object["items"]

    def workloads(self):
        return [*self.listed("apps/v1", "StatefulSet"), *self.listed("apps/v1", "Deployment")]

    def held(self):
        """Kind and name of what bears the release's label and was not made by a controller."""
        found = set()
        for (_, kind), path in self.kinds.items():
            for it in self.ask("GET", path, labelSelector=LABEL).object["items"]:
                if "ownerReferences" not in it["metadata"] and kind != "Endpoints":
                    found.add((kind, it["metadata"]["name"]))
        return found

    def clear(self):
        """Takes everything away."""
        self.try_helm("helm4", "uninstall", RELEASE, "--no-hooks", "--wait", "--timeout", "1m")
        for path in self.kinds.values():
            self.ask("DELETE", path, labelSelector=LABEL)
        eventually("what a trial left is gone", lambda: not self.held() and not self.listed("v1", "Pod"))

    def helm(self, helm, *arguments):
        """What Helm says; it must have nothing to warn of."""
        run = self.try_helm(helm, *arguments)
        expect(run.returncode == 0, f"{helm} {arguments[0]}: {run.stderr}")
        # As Helm itself and the client of the API server in it spell what the API server warns of.
        warned = re.search("warn|deprecat|unknown field|^W[0-9]{4} ", run.stderr, re.IGNORECASE | re.MULTILINE)
        expect(not warned, f"{helm} {arguments[0]}: {run.stderr}")
        return run.stdout

    def try_helm(self, helm, *arguments):
        places = {f"HELM_{place}_HOME": str(self.plane.home / place) for place in ("CACHE", "CONFIG", "DATA")}
        cluster = {"KUBECONFIG": str(self.plane.home / "kubeconfig"), "HELM_NAMESPACE": NAMESPACE}
        command, environment = [ROOT / "tests/helm/bin" / helm, *arguments], {**os.environ, **places, **cluster}
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def expect(holds, seen):
    if not holds:
        raise Unexpected(seen)


def values(row):
    return "--values", CHART / f"ci/{row}-values.yaml"


def documents(text):
    """Kind, API version, name and text of each object."""
    for document in re.split(r"^---$", text, flags=re.MULTILINE):
        patterns = (r"^kind: (\S+)", r"^apiVersion: (\S+)", r"^metadata:\n(?:  .*\n)*?  name: (\S+)")
        found = [re.search(pattern, document, re.MULTILINE) for pattern in patterns]
        if all(found):
            yield *(it[1].strip('"') for it in found), document
