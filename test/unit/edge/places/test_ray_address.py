# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is said when a Ray cluster cannot be used, without one."""

from __future__ import annotations

import socket
import sys

import pytest
import torch
from robots import small_engine

from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.edge.places.making import PlaceSettings, load_engine, make_place
from neurosurgeon_ros.edge.places.place import RAY, PlaceError
from neurosurgeon_ros.edge.places.ray_cluster import INSTALL
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_arrays import pack, unpack

SOURCE = NetworkSource("pool_networks:small")


def test_without_ray_the_edge_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PlaceError, match="Ray is not installed: pip install -r ") as raised:
        load_engine(SOURCE, PlaceSettings(RAY))
    assert INSTALL in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("action", ["up", "status", "down"])
def test_without_ray_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["cluster", action]) == 2
    assert INSTALL in capsys.readouterr().err


@pytest.mark.parametrize("port", ["80", "70000", "-1"])
def test_a_port_out_of_range_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    assert main(["cluster", "up", f"--port={port}"]) == 2
    assert f"--port: {port} is not in range" in capsys.readouterr().err


def test_an_address_that_nobody_answers_is_named_at_once() -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PlaceError, match=f"nobody answers at ray_address 127.0.0.1:{port} "):
        make_place(small_engine(), SOURCE, PlaceSettings(RAY, ray_address=f"127.0.0.1:{port}"), on_problem=print)


@pytest.mark.parametrize("address", ["edge", "edge:", "http://edge:6379", "edge:6379/x", ":6379", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(PlaceError, match="is no address; give HOST:PORT"):
        make_place(small_engine(), SOURCE, PlaceSettings(RAY, ray_address=address), on_problem=print)


def tensors() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    image = torch.rand((1, 3, 4, 5), generator=generator)
    return [
        image,
        image.contiguous(memory_format=torch.channels_last),
        image.bfloat16(),
        image.half()[:, :, ::2],
        image > 0.5,
        torch.arange(6),
        torch.zeros((2, 0)),
        torch.tensor(3.5),
    ]


def test_a_tensor_arrives_as_it_was() -> None:
    for tensor in tensors():
        back = unpack(pack(tensor))
        assert torch.equal(back, tensor) and back.dtype == tensor.dtype
    channels_last = unpack(pack(tensors()[1]))
    assert channels_last.is_contiguous(memory_format=torch.channels_last)
    assert unpack(pack("text")) == "text" and unpack(pack(None)) is None


def test_memory_that_may_only_be_read_is_copied() -> None:
    data, *layout = pack(torch.ones(3))
    data.flags.writeable = False
    back = unpack((data, *layout))
    back += 1.0
    assert torch.equal(back, torch.full((3,), 2.0)) and bool((data == pack(torch.ones(3))[0]).all())
