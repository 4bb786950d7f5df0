"""Pushes with prometheus_client as its users do; prints what its registry says was pushed.

push.py URL TOKEN
"""

import json
import sys

from prometheus_client import (
    CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary,
    delete_from_gateway, push_to_gateway, pushadd_to_gateway,
)
from prometheus_client.exposition import basic_auth_handler, default_handler

URL, TOKEN = sys.argv[1:]


def registry():
    """One of everything the client has."""
    made = CollectorRegistry()
    requests = Counter("app_requests", 'Requests "quoted" \\ and\nmore', ["method", "path"], registry=made)
    requests.labels("GET", "/").inc(3)
    requests.labels("POST", '/a"b\\c').inc(1.5)
    temperature = Gauge("app_temp_celsius", "Temperature", ["room"], registry=made)
    temperature.labels("caf\u00e9 \u2713").set(-1.5)
    temperature.labels("").set(1e21)
    values = Gauge("app_values", "Odd ones", ["of"], registry=made)
    for of, value in (("nan", "nan"), ("inf", "inf"), ("ninf", "-inf"), ("third", 1 / 3), ("zero", 0)):
        values.labels(of).set(float(value))
    latency = Histogram("app_latency_seconds", "Latency", buckets=(.1, .5, 1, 5), registry=made)
    for seconds in (.05, .3, .7, 3, 30):
        latency.observe(seconds)
    Summary("app_size_bytes", "Size", ["kind"], registry=made).labels("small").observe(10)
    Enum("app_state", "State", states=["starting", "running"], registry=made).state("running")
    Info("app_build", "Build", registry=made).info({"version": "1.2.3"})
    # The grouping key has a label of this name as well, and wins.
    Gauge("app_clash", "Clash", ["instance"], registry=made).labels("mine").set(7)
    return made


def kind(family, sample):
    """StackState's type of a sample."""
    parts = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "summary": ["_sum", "_count"]}
    ends = parts.get(family.type, [])
    return "counter" if any(sample.name == family.name + end for end in ends) else "gauge"


def bearer(url, method, timeout, headers, data):
    return default_handler(url, method, timeout, headers + [("Authorization", "Bearer " + TOKEN)], data)


def basic(url, method, timeout, headers, data):
    return basic_auth_handler(url, method, timeout, headers, data, "anybody", TOKEN)


pushed = []


def push(how, job, grouping, **options):
    made = registry()
    how(URL, job=job, registry=made, grouping_key=grouping, timeout=30, **options)
    for family in made.collect():
        for sample in family.samples:
            labels = {**sample.labels, **grouping, "job": job}
            pushed.append([sample.name, list(labels.items()), repr(sample.value), kind(family, sample), 0])


push(push_to_gateway, "batch", {}, handler=basic)
push(push_to_gateway, "batch", {"instance": "host-1", "path": "/var/tmp", "empty": ""}, handler=bearer)
push(pushadd_to_gateway, "a/b", {"instance": "with space & caf\u00e9+1:2"}, handler=bearer)
push(push_to_gateway, "packed", {"instance": "gzip"}, handler=basic, compression="gzip")
push(push_to_gateway, "packed", {"instance": "a+b&caf\u00e9:1"}, handler=bearer, compression="snappy")
delete_from_gateway(URL, job="batch", grouping_key={"instance": "host-1"}, timeout=30, handler=bearer)
json.dump(pushed, sys.stdout)
