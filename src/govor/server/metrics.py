"""Figures for Prometheus; none of them holds an address, a text or a file name."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of one server; each server has its own registry."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "govor_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.refused = Counter("govor_refused", "Requests refused", ["reason"], registry=registry)
        self.audio_seconds = Counter(
            "govor_audio_seconds", "Seconds of sound recognised", ["protocol"], registry=registry
        )
        self.finals = Counter("govor_finals", "Utterances finished", ["protocol"], registry=registry)
        self.partials = Counter("govor_partials", "Partial texts sent", ["protocol"], registry=registry)
        self.late_steps = Counter(
            "govor_steps_without_partials", "Steps that left out partials under load", registry=registry
        )
        self.streams = Gauge("govor_open_streams", "Live streams open", ["protocol"], registry=registry)
        self.uploads = Gauge("govor_uploads", "Uploads waiting or being recognised", registry=registry)
        self.waiting = Gauge("govor_waiting_steps", "Steps that wait for a thread", registry=registry)
        self.step_wait = Histogram(
            "govor_step_wait_seconds", "Wait for a thread", ["kind"], buckets=_SECONDS, registry=registry
        )
        self.upload_seconds = Histogram(
            "govor_upload_seconds", "Upload to answer", buckets=_SECONDS, registry=registry
        )

    def page(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)
