# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import subprocess
import sys

import pytest

from neurosurgeon_ros.ros.process.malloc import keep_memory

#: Prints the page faults of 20 rounds with four blocks of 4 MB, in a thread that has used as many blocks before.
ROUNDS = """
import ctypes, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def use_and_free():
    blocks = [libc.malloc(4_000_000) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, 4_000_000)
    for block in blocks:
        libc.free(block)
def count():
    use_and_free()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        use_and_free()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""


def pages(first_line, program=ROUNDS):
    command = [sys.executable, "-c", f"{first_line}\n{program}"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_freed_memory_is_there_for_what_comes_next():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    kept = pages("from neurosurgeon_ros.ros.process.malloc import keep_memory; assert keep_memory()")
    assert kept * 10 < pages("")


SHARED = """
import ctypes, resource, threading
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def use_and_free():
    blocks = [libc.malloc(4_000_000) for _ in range(8)]
    for block in blocks:
        ctypes.memset(block, 1, 4_000_000)
    for block in blocks:
        libc.free(block)
def count():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use_and_free()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
use_and_free()
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""


def test_what_one_thread_has_freed_is_there_for_others():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    shared = pages("from neurosurgeon_ros.ros.process.malloc import keep_memory; assert keep_memory()", SHARED)
    assert shared * 10 < 8 * 4_000_000 // 4096


def test_a_c_library_without_such_a_call_is_left_to_itself(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_memory() is False
