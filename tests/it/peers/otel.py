"""Exports with the OpenTelemetry SDK over HTTP; prints what its reader says was exported.

otel.py URL TOKEN
"""

import decimal
import json
import sys

import requests
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk import metrics
from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

URL, TOKEN = sys.argv[1:]
ENDPOINT = URL + "/v1/metrics"
AUTHORIZATION = {"authorization": "Bearer " + TOKEN}
DELTAS = {
    kind: export.AggregationTemporality.DELTA
    for kind in (metrics.Counter, metrics.Histogram, metrics.ObservableCounter, metrics.UpDownCounter)
}
decimal.getcontext().prec = 60


def binary(compression):
    """By the SDK's own exporter, which writes protobuf."""
    def send(data):
        exporter = OTLPMetricExporter(
            endpoint=ENDPOINT, headers=AUTHORIZATION, compression=compression, timeout=30)
        assert exporter.export(data) is export.MetricExportResult.SUCCESS
        exporter.shutdown()
    return send


def text(data):
    """The SDK has no exporter for JSON; the same request as JSON is what its protobuf library makes of it."""
    body = json_format.MessageToJson(encode_metrics(data), use_integers_for_enums=True)
    headers = {**AUTHORIZATION, "content-type": "application/json"}
    answer = requests.post(ENDPOINT, data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()) == (200, {}), answer.text
    assert answer.headers["content-type"] == "application/json"


def power(scale, index):
    """The double next to `2^(index / 2^scale)`."""
    return float(decimal.Decimal(2) ** (decimal.Decimal(index) / (decimal.Decimal(2) ** scale)))


def plain(limit):
    return "+Inf" if limit == float("inf") else format(decimal.Decimal(repr(limit)), "f").removesuffix(".0")


def tags(*layers):
    """Attributes as tags; those of the last layer win."""
    merged = {}
    for layer in layers:
        merged.update(layer or {})
    tags = []
    for key, value in merged.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            tags.append([key, str(one).lower() if isinstance(one, bool) else str(one)])
    return tags


def buckets(point):
    """Upper limits and counts of a point of either kind of histogram."""
    if isinstance(point, export.HistogramDataPoint):
        return zip([*point.explicit_bounds, float("inf")], point.bucket_counts)
    negative, positive = (
        [(row.offset + nth, count) for nth, count in enumerate(row.bucket_counts) if count]
        for row in (point.negative, point.positive))
    zeros = [(0.0, point.zero_count)] if point.zero_count else []
    return (
        [(-power(point.scale, index), count) for index, count in negative] + zeros
        + [(power(point.scale, index + 1), count) for index, count in positive])


sent = []


def note(metric, point, labels):
    seconds = point.time_unix_nano // 10**9
    if isinstance(metric.data, export.Gauge):
        kind = "gauge"
    elif metric.data.aggregation_temporality == export.AggregationTemporality.DELTA:
        kind = "count"
    else:
        rises = not isinstance(metric.data, export.Sum) or metric.data.is_monotonic
        kind = "counter" if rises else "gauge"
    if isinstance(point, export.NumberDataPoint):
        sent.append([metric.name, labels, repr(point.value), kind, seconds])
        return
    for limit, count in buckets(point):
        bucket = labels + [["upper_limit", plain(limit)]]
        sent.append([metric.name, bucket, repr(count), kind, seconds])
    sent.append([metric.name + "_sum", labels, repr(point.sum), kind, seconds])
    sent.append([metric.name + "_count", labels, repr(point.count), kind, seconds])


def ship(via, send, temporality, preferred):
    reader = export.InMemoryMetricReader(preferred_temporality=preferred)
    resource = Resource({
        "service.name": "peers", "service.instance.id": "i-1", "via": via, "temporality": temporality,
        "n": 7, "list": ["a", "b"], "clash": "resource", "scoped": "resource",
    })
    provider = metrics.MeterProvider(
        resource=resource, metric_readers=[reader], shutdown_on_exit=False,
        views=[View(instrument_name="app.exp.*", aggregation=ExponentialBucketHistogramAggregation())])
    meter = provider.get_meter("peers.meter", "1.0.0", attributes={"scope.attr": "x", "scoped": "scope"})
    requests_made = meter.create_counter("app.requests", "1", "Requests")
    moved = meter.create_counter("app.bytes", "By", "Bytes")
    inflight = meter.create_up_down_counter("app.inflight", "{request}", "In flight")
    duration = meter.create_histogram(
        "app.duration", "s", "Duration", explicit_bucket_boundaries_advisory=[.005, .1, 1, 2.5])
    fine = meter.create_histogram("app.exp.fine", "ms", "Close together: a high scale")
    wide = meter.create_histogram("app.exp.wide", "ms", "Far apart: a low scale")
    level = meter.create_gauge("app.level", "Cel", "A gauge")
    meter.create_observable_gauge("app.temp", [lambda _: [
        Observation(21.5, {"room": "a", "floor": 1, "ok": True, "ratio": .5, "arr": ["x", "y"]}),
        Observation(19, {"room": "b", "clash": "point"}),
    ]], "Cel", "Ints and doubles")
    meter.create_observable_counter("app.cpu", [lambda _: [Observation(12.25, {"cpu": "0"})]], "s", "CPU")
    for turn in (1, 2):
        requests_made.add(1.5 * turn, {"method": "GET"})
        requests_made.add(2, {"method": "POST"})
        moved.add(2**53 + 1, {"method": "GET"})
        inflight.add(3 if turn == 1 else -5)
        level.set(turn / 3)
        for value in (.001, .1, .5, 7):
            duration.record(value * turn, {"method": "GET"})
        for value in (1, 1.001, 1.5):
            fine.record(value)
        for value in (0, 1e-9, .7 * turn, 1e12):
            wide.record(value)
        data = reader.get_metrics_data()
        send(data)
        for of_resource in data.resource_metrics:
            for of_scope in of_resource.scope_metrics:
                scope = of_scope.scope
                named = {"otel.scope.name": scope.name, "otel.scope.version": scope.version}
                for metric in of_scope.metrics:
                    for point in metric.data.data_points:
                        note(metric, point, tags(
                            of_resource.resource.attributes, scope.attributes, named, point.attributes))
    provider.shutdown()


for via, send in (
        ("protobuf", binary(Compression.NoCompression)), ("gzip", binary(Compression.Gzip)), ("json", text)):
    ship(via, send, "cumulative", None)
    ship(via, send, "delta", DELTAS)
json.dump(sent, sys.stdout)
