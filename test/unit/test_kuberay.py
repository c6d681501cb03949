# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The KubeRay manifest: only fields that a RayCluster (ray.io/v1) has, and the versions of this package."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "config" / "kuberay" / "cluster.yaml"

QUANTITY = r"\d+(\.\d+)?(m|Ki|Mi|Gi)?"
RESOURCES = {"cpu": QUANTITY, "memory": QUANTITY, "nvidia.com/gpu": r"\d+"}
POD = {
    "spec!": {
        "hostNetwork": bool,
        "dnsPolicy": r"ClusterFirst(WithHostNet)?",
        "shareProcessNamespace": bool,
        "containers!": [
            {
                "name!": r"[a-z0-9-]+",
                "image!": r"[\w./-]+:[\w.-]+",
                "command": [str],
                "args": [str],
                "env": [
                    {"name!": r"\w+", "value": str, "valueFrom": {"secretKeyRef!": {"name!": str, "key!": str}}},
                ],
                "volumeMounts": [{"name!": str, "mountPath!": r"/.+"}],
                "resources": {"requests": RESOURCES, "limits": RESOURCES},
            }
        ],
        "volumes": [
            {
                "name!": str,
                "configMap": {"name!": str},
                "emptyDir": {"medium": "Memory", "sizeLimit": QUANTITY},
            }
        ],
    }
}
#: The fields that the manifest may have, those that end in ! it must have; a text is a regular expression of the value.
#: Types and names are those of the resource definition of KubeRay, in the part that is used here.
RAY_CLUSTER: dict[str, Any] = {
    "apiVersion!": r"ray\.io/v1",
    "kind!": "RayCluster",
    "metadata!": {"name!": r"[a-z0-9-]+"},
    "spec!": {
        "rayVersion": r"\d+\.\d+\.\d+",
        "authOptions": {"mode": "disabled|token"},
        "headGroupSpec!": {"rayStartParams": {"num-cpus": r"\d+"}, "template!": POD},
        "workerGroupSpecs": [
            {
                "groupName!": r"[a-z0-9-]+",
                "replicas": int,
                "minReplicas": int,
                "maxReplicas": int,
                "rayStartParams": {"num-cpus": r"\d+"},
                "template!": POD,
            }
        ],
    },
}


def problems(value: Any, schema: Any, path: str = "") -> list[str]:
    """Return what is wrong with a value, a text for each field."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [text for index, one in enumerate(value) for text in problems(one, schema[0], f"{path}[{index}]")]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{path} is no mapping"]
        known = {key.rstrip("!"): one for key, one in schema.items()}
        found = [f"{path}.{key} is not known" for key in value if key not in known]
        found += [f"{path}.{key[:-1]} is missing" for key in schema if key.endswith("!") and key[:-1] not in value]
        return found + [
            text for key, one in value.items() if key in known for text in problems(one, known[key], f"{path}.{key}")
        ]
    if isinstance(schema, type):
        return [] if type(value) is schema else [f"{path} is {value!r}, no {schema.__name__}"]
    is_good = isinstance(value, str) and re.fullmatch(schema, value)
    return [] if is_good else [f"{path} is {value!r}, not {schema}"]


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    return found


def test_the_manifest_has_only_fields_of_a_ray_cluster() -> None:
    assert problems(manifest(), RAY_CLUSTER) == []


def test_the_manifest_fits_together() -> None:
    spec = manifest()["spec"]
    ray = re.search(r"ray\[serve\]==([\d.]+)", (ROOT / "tools" / "requirements" / "ray.txt").read_text())
    assert ray is not None and spec["rayVersion"] == ray[1]
    pods = [spec["headGroupSpec"]["template"]["spec"]]
    pods += [group["template"]["spec"] for group in spec["workerGroupSpecs"]]
    assert len({one["image"] for pod in pods for one in pod["containers"]}) == 1, "replicas need the edge's torch"
    for pod in pods:
        volumes = {one["name"] for one in pod.get("volumes", [])}
        assert {mount["name"] for one in pod["containers"] for mount in one.get("volumeMounts", [])} == volumes
        for one in pod["containers"]:
            assert one["resources"]["requests"] == one["resources"]["limits"], "Ray counts on what it is promised"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    head, edge = pods[0]["containers"]
    shared = {"/tmp/ray", "/dev/shm"}
    for one in (head, edge):
        assert shared <= {mount["mountPath"] for mount in one["volumeMounts"]}, "the edge is a process of the head"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.headGroup", {}, "spec.headGroup is not known"),
        ("spec.headGroupSpec", None, "spec.headGroupSpec is no mapping"),
        ("spec.workerGroupSpecs", {}, "spec.workerGroupSpecs is no list"),
        ("spec.rayVersion", 2.6, "spec.rayVersion is 2.6"),
        ("kind", "RayJob", "kind is 'RayJob'"),
    ],
)
def test_the_check_sees_what_it_is_for(path: str, value: object, said: str) -> None:
    changed = copy.deepcopy(manifest())
    *parents, last = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    assert any(said in text for text in problems(changed, RAY_CLUSTER))
