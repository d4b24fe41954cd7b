# SPDX-License-Identifier: BSD-3-Clause
"""All workloads, in the order of the report."""

from held import held_workloads
from in_order import in_order_workloads, sink_workloads
from live import live_workloads
from many import many_workloads
from model import Setting, Workload
from stages import stage_workloads


def all_workloads(s: Setting) -> list[Workload]:
    return [*in_order_workloads(s), *sink_workloads(s), *held_workloads(s), *live_workloads(s),
            *stage_workloads(s), *many_workloads(s)]
