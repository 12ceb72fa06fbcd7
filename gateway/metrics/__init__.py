"""Prometheus metrics: counted from notices, gauged when asked, served on a port if one is configured.

    counters.py   Metrics: subscribes to notices, renders the text format
    gauges.py     what is read when somebody asks: queue, spool, links
    labels.py     label values, never more than a bound of them
    server.py     MetricsServer: GET /metrics over plain HTTP

The operator socket serves the same text. No label carries an AE title, an address or anything of a patient.
"""

from gateway.metrics.counters import Metrics
from gateway.metrics.server import MetricsServer

__all__ = ["Metrics", "MetricsServer"]
