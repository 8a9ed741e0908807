"""Installs, changes and removes each row of the chart's `ci/` with both versions of Helm, in a cluster without nodes.

Asks the API server what no schema can show: its validation with its defaults, the admission of pods by the Pod Security
Standard `restricted`, which fields may change, who has which rights, and that it has nothing to warn of.
"""

import copy
import json
import re
import signal
import sys
import tempfile
import time

from cluster import CHART, HELMS, LABEL, RELEASE, Cluster, Unexpected, documents, expect, values
from plane import Plane, eventually

ROWS = sorted(file.name.removesuffix("-values.yaml") for file in CHART.glob("ci/*-values.yaml"))
WAIT = ("--wait", "--timeout", "1m")
# Values that a release that runs is given, each in place of the one before.
CHANGES = [
    "config.server.listen=0.0.0.0:8081", "service.type=NodePort", "service.type=LoadBalancer", "service.port=8080",
    "service.sessionAffinity=None", "commonLabels.team=partner", "podLabels.tier=edge", "serviceAccount.name=other",
    "audit.persistence.whenScaled=Delete", "podDisruptionBudget.maxUnavailable=50%",
    "podDisruptionBudget.enabled=false", "shutdown.pauseSeconds=0", "networkPolicy.enabled=false",
    "topologySpread.zones=", "test.enabled=false", "resources.limits.cpu=1", "replicaCount=5",
    "nameOverride=gateway",
]


def takes_every_object_as_it_stands(cluster, row):
    version = cluster.ask("GET", "/version").object["gitVersion"]
    text = cluster.helm("helm3", "template", RELEASE, CHART, *values(row), "--kube-version", version)
    found = list(documents(text))
    for kind, version, name, document in found:
        # An account that is there; a dry run does not make the chart's own.
        document = re.sub("serviceAccountName: .*", "serviceAccountName: default", document)
        answer = cluster.tried(version, kind, document)
        expect(answer.status == 201 and not answer.warnings, f"{kind} {name}: {answer.said()}")
        wrong = document.replace("\nmetadata:\n", "\nmetadata:\n  unheard: of\n")
        refused = cluster.tried(version, kind, wrong)
        expect(refused.status in (400, 422) and "unheard" in refused.said(), f"{kind} {name}: {refused.said()}")
        if kind in ("StatefulSet", "Deployment"):
            admits_its_pods_as_restricted(cluster, answer.object["spec"]["template"]["spec"])
    return f"{len(found)} objects"


def admits_its_pods_as_restricted(cluster, spec):
    if not any(volume["name"] == "data" for volume in spec["volumes"]):
        # As the controller of a StatefulSet adds it.
        spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": spec}
    answer = cluster.tried("v1", "Pod", json.dumps(pod))
    expect(answer.status == 201 and not answer.warnings, f"a bare pod: {answer.said()}")
    # Each of these must be missed, or the namespace asks for nothing.
    for key in ("allowPrivilegeEscalation", "capabilities"):
        loose = copy.deepcopy(pod)
        for container in loose["spec"]["containers"]:
            del container["securityContext"][key]
        refused = cluster.tried("v1", "Pod", json.dumps(loose))
        expect(refused.status == 403 and "restricted" in refused.said(), f"a pod without {key}: {refused.said()}")


def lives(cluster, row, helm):
    """A dry run, the installation, its test, the same values again, others, the way back, and removal."""
    chart = (RELEASE, CHART, *values(row))
    cluster.helm(helm, "install", *chart, "--dry-run=server")
    expect(not cluster.held(), "a dry run leaves something")
    cluster.helm(helm, "install", *chart, *WAIT)
    replicas = has_all_replicas(cluster)
    cluster.helm(helm, "test", RELEASE, "--timeout", "1m")
    before = generations(cluster)
    cluster.helm(helm, "upgrade", *chart, *WAIT)
    expect(generations(cluster) == before, "the same values change the workload")
    cluster.helm(helm, "upgrade", *chart, "--set", "config.server.drain_timeout=31s", *WAIT)
    expect(generations(cluster) != before, "other values change nothing")
    has_all_replicas(cluster)
    cluster.helm(helm, "rollback", RELEASE, "1", *WAIT)
    has_all_replicas(cluster)
    leaves(cluster, helm)
    return f"{replicas} replicas"


def goes_from_each_row_to_each_other(cluster, helm):
    way = [ROWS[step] for step in walk(len(ROWS))]
    cluster.helm(helm, "install", RELEASE, CHART, *values(way[0]))
    for one, other in zip(way, way[1:]):
        cluster.helm(helm, "upgrade", RELEASE, CHART, *values(other))
        text = cluster.helm(helm, "get", "manifest", RELEASE)
        told = {(kind, name) for kind, _, name, _ in documents(text)}
        held = lambda: {it for it in cluster.held() if it[0] != "PersistentVolumeClaim"}
        eventually(f"from {one} to {other} nothing is left behind", lambda: held() == told)
    leaves(cluster, helm)
    return f"{len(way) - 1} changes"


def takes_changes_while_it_runs(cluster, helm):
    cluster.helm(helm, "install", RELEASE, CHART, *values("minimal"), *WAIT)
    for change in CHANGES:
        cluster.helm(helm, "upgrade", RELEASE, CHART, *values("minimal"), "--set", change, *WAIT)
        has_all_replicas(cluster)
    leaves(cluster, helm)
    return f"{len(CHANGES)} changes"


def keeps_its_replicas_when_they_are_left_to_the_autoscaler(cluster, helm):
    chart = (RELEASE, CHART, *values("minimal"), "--set", "audit.persistence.whenScaled=Delete")
    cluster.helm(helm, "install", *chart, "--set", "replicaCount=5", *WAIT)
    claims = lambda: {claim["metadata"]["uid"] for claim in cluster.listed("v1", "PersistentVolumeClaim")}
    before = claims()
    cluster.helm(helm, "upgrade", *chart, "--set", "autoscaling.enabled=true,autoscaling.minReplicas=5")
    left = has_all_replicas(cluster)
    expect(left == 5, f"{left} of 5 replicas are left, and their volumes")
    expect(claims() >= before, "replicas have other volumes")
    more = ("--set", "autoscaling.enabled=true,autoscaling.minReplicas=6")
    cluster.helm(helm, "upgrade", *chart, *more)
    eventually("the autoscaler has looked", lambda: cluster.workloads()[0]["spec"]["replicas"] == 6)
    cluster.helm(helm, "upgrade", *chart, *more, "--set", "podAnnotations.a=b", *WAIT)
    expect(has_all_replicas(cluster) == 6, "the number of replicas is not the autoscaler's")
    leaves(cluster, helm)
    return "5 replicas, then 6"


def is_taken_over_by_the_other_version_of_helm(cluster):
    cluster.helm("helm3", "install", RELEASE, CHART, *values("production"), *WAIT)
    cluster.helm("helm4", "upgrade", RELEASE, CHART, *values("production"), "--set", "podAnnotations.by=helm4", *WAIT)
    has_all_replicas(cluster)
    leaves(cluster, "helm4")
    return "helm4 goes on with what helm3 has begun"


def gets_larger_volumes_when_only_the_stateful_set_is_deleted(cluster, helm):
    chart = (RELEASE, CHART, *values("minimal"))
    cluster.helm(helm, "install", *chart, *WAIT)
    before = {pod["metadata"]["uid"] for pod in cluster.listed("v1", "Pod")}
    larger = ("--set", "audit.persistence.size=30Gi")
    refused = cluster.try_helm(helm, "upgrade", *chart, *larger)
    expect(refused.returncode and "volumeClaimTemplates" in refused.stderr, refused)
    path = cluster.kinds["apps/v1", "StatefulSet"]
    cluster.ask("DELETE", f"{path}/{RELEASE}-partner-gateway", propagationPolicy="Orphan")
    eventually("the StatefulSet is gone", lambda: not cluster.listed("apps/v1", "StatefulSet"))
    cluster.helm(helm, "upgrade", *chart, *larger, *WAIT)
    has_all_replicas(cluster)
    expect({pod["metadata"]["uid"] for pod in cluster.listed("v1", "Pod")} == before, "other pods")
    leaves(cluster, helm)
    return "refused at first; then the same pods go on"


def has_the_right_to_its_one_secret(cluster):
    cluster.helm("helm3", "install", RELEASE, CHART, *values("everything"), *WAIT)
    secrets, labels = cluster.kinds["v1", "Secret"], dict([LABEL.split("=")])
    for name in ("fabrikam-refresh-token", "another"):
        cluster.make(secrets, {"metadata": {"name": name, "labels": labels}, "stringData": {"token": "it"}})
    own = f"{secrets}/fabrikam-refresh-token"
    account = f"{cluster.kinds['v1', 'ServiceAccount']}/gateway/token"
    token = cluster.make(account, {"spec": {}})["status"]["token"]
    as_read = cluster.ask("GET", own, token=token)
    asked = [
        (200, as_read), (200, cluster.ask("PUT", own, as_read.object, token=token)),
        (403, cluster.ask("DELETE", own, token=token)), (403, cluster.ask("GET", secrets, token=token)),
        (403, cluster.ask("GET", f"{secrets}/another", token=token)),
        (403, cluster.ask("GET", cluster.kinds["v1", "Pod"], token=token)),
        # Where the chart's examples have the keys of callers' tokens from.
        (200, cluster.ask("GET", "/openid/v1/jwks", token=token)),
    ]
    for expected, answer in asked:
        expect(answer.status == expected, f"{expected} expected: {answer.said()}")
    cluster.clear()
    return f"{len(asked)} requests as the service account"


def leaves(cluster, helm):
    cluster.helm(helm, "uninstall", RELEASE, *WAIT)
    eventually("pods are gone", lambda: not cluster.listed("v1", "Pod"))
    left = {kind for kind, _ in cluster.held()}
    expect(left <= {"PersistentVolumeClaim"}, f"left behind: {left}")
    cluster.ask("DELETE", cluster.kinds["v1", "PersistentVolumeClaim"])
    eventually("claims are gone", lambda: not cluster.listed("v1", "PersistentVolumeClaim"))


def generations(cluster):
    return [(it["metadata"]["uid"], it["metadata"]["generation"]) for it in cluster.workloads()]


def has_all_replicas(cluster):
    def all_ready():
        found = [(it["spec"]["replicas"], it["status"]) for it in cluster.workloads()]
        # NATS beside the gateway is one, too.
        ready = all(it.get("readyReplicas") == it.get("updatedReplicas") == wanted for wanted, it in found)
        return ready and sum(wanted for wanted, _ in found)
    return eventually("all replicas are ready", all_ready)


def walk(count):
    """A way through 0 to count - 1 that takes each step from one to another once."""
    return [*(step for one in range(count) for other in range(one + 1, count) for step in (one, other)), 0]


def trials():
    for row in ROWS:
        yield f"{row}: every object, strictly", takes_every_object_as_it_stands, row
    for row in ROWS:
        for helm in HELMS:
            yield f"{row}, {helm}: from installation to removal", lives, row, helm
    for helm in HELMS:
        yield f"{helm}: from each row to each other", goes_from_each_row_to_each_other, helm
        yield f"{helm}: changes of minimal", takes_changes_while_it_runs, helm
        yield f"{helm}: larger volumes", gets_larger_volumes_when_only_the_stateful_set_is_deleted, helm
        yield f"{helm}: autoscaling", keeps_its_replicas_when_they_are_left_to_the_autoscaler, helm
    yield "production: helm3, then helm4", is_taken_over_by_the_other_version_of_helm
    yield "everything: rights", has_the_right_to_its_one_secret


def main(part=""):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    passed = failed = 0
    with tempfile.TemporaryDirectory() as home, Plane(home) as plane:
        cluster = Cluster(plane)
        for name, trial, *of in trials():
            if part not in name:
                continue
            began = time.monotonic()
            try:
                seen = trial(cluster, *of)
                passed += 1
            except Unexpected as unexpected:
                seen = f"FAILED\n{unexpected}"
                failed += 1
                cluster.clear()
            print(f"{name}: {seen} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or not passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
