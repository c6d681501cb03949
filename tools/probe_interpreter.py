# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Run by a candidate interpreter. Prints its version and exits with 0 if set-up can use it, and prints the reason if not.

It has to run on every version of Python, including the oldest ones.
"""

import os
import platform
import sys
import sysconfig

SUITABLE = ((3, 11), (3, 12))


def reason(implementation, version, has_venv, has_headers):
    """
    Return why an interpreter is not suitable.

    :param implementation: as from platform.python_implementation()
    :param version: the first three numbers of its version
    :param has_venv: whether it can make virtual environments with pip
    :param has_headers: whether Python.h is present, for the extension modules of the message types
    :returns: a few words, or None if it is suitable
    """
    name = "%s %d.%d.%d" % ((implementation,) + tuple(version[:3]))
    if implementation != "CPython" or tuple(version[:2]) not in SUITABLE:
        return name
    package = "python%d.%d" % tuple(version[:2])
    if not has_venv:
        return "%s without venv: install %s-venv" % (name, package)
    if not has_headers:
        return "%s without Python.h: install %s-dev" % (name, package)
    return None


def _has_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def main():
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    problem = reason(platform.python_implementation(), sys.version_info[:3], _has_venv(), os.path.exists(header))
    print(problem or "%d.%d" % sys.version_info[:2])
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
