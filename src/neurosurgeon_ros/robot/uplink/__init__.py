# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's view of one edge: requests, answers, liveness, circuit breaker."""
