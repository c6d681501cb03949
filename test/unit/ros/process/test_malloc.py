# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import subprocess
import sys

import pytest

from neurosurgeon_ros.ros.process.malloc import keep_memory

#: Defines what uses and frees some blocks of 4 MB, and what prints the page faults of some rounds in a thread.
PROGRAM = """
import ctypes, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def use_and_free(number):
    blocks = [libc.malloc(4_000_000) for _ in range(number)]
    for block in blocks:
        ctypes.memset(block, 1, 4_000_000)
    for block in blocks:
        libc.free(block)
def count(number, rounds, before):
    for _ in range(before):
        use_and_free(number)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        use_and_free(number)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
def in_a_thread(*arguments):
    thread = threading.Thread(target=count, args=arguments)
    thread.start()
    thread.join()
"""

#: Prints the page faults of 20 rounds with four blocks of 4 MB, in a thread that has used as many blocks before.
ROUNDS = f"{PROGRAM}in_a_thread(4, 20, 1)"

#: Prints the page faults of a round with eight blocks, in a thread that has used none, after another one has.
SHARED = f"{PROGRAM}use_and_free(8)\nin_a_thread(8, 1, 0)"


def pages(first_line, program=ROUNDS):
    command = [sys.executable, "-c", f"{first_line}\n{program}"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_freed_memory_is_there_for_what_comes_next():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    kept = pages("from neurosurgeon_ros.ros.process.malloc import keep_memory; assert keep_memory()")
    assert kept * 10 < pages("")


def test_what_one_thread_has_freed_is_there_for_others():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    shared = pages("from neurosurgeon_ros.ros.process.malloc import keep_memory; assert keep_memory()", SHARED)
    assert shared * 10 < 8 * 4_000_000 // 4096


def test_a_c_library_without_such_a_call_is_left_to_itself(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_memory() is False
