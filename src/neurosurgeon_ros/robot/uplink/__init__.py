# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One edge as the robot sees it: requests, answers, liveness, circuit breaker."""
