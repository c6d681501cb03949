# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Stands in for scikit-build while pip asks a source distribution of OpenCV for its metadata.

pip does that even if it only downloads. The real module is for building, which is not done here, and would bring CMake
and another NumPy along.
"""

from setuptools import setup

__all__ = ["setup"]
