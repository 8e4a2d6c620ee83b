"""Any network as a graph of operations that can be read backwards. Front door: `trace_network`."""

from gradinv_core.image_recovery.graph.rules import Add, Concatenate, Reshape
from gradinv_core.image_recovery.graph.trace import Node, trace_network

__all__ = ["Add", "Concatenate", "Node", "Reshape", "trace_network"]
