"""Bodies that JSON Schema cannot describe, for schemathesis: sent as the bytes and texts they are."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

TEXTS = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/openmetrics-text",
]
BYTES = [
    "application/msgpack",
    "application/x-msgpack",
    "application/vnd.msgpack",
    "application/x-protobuf",
]


def send(context, value):
    """Whatever was made, as bytes."""
    if isinstance(value, bytes):
        return {"data": value}
    if isinstance(value, str):
        return {"data": value.encode("utf-8", "surrogatepass")}
    return {"data": repr(value).encode()}


for media_type in TEXTS + BYTES:
    schemathesis.serializer(media_type)(send)

for media_type in BYTES:
    schemathesis.openapi.media_type(media_type, st.binary(max_size=256))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Which gateway is meant is asked before everything else: made-up names would hide all other answers, so
    most requests go without."""
    meant = (case.headers or {}).get("Tidegate-Data-Dir")
    is_undeclared = case.method.upper() != case.operation.method.upper()
    if meant is not None and (is_undeclared or len(meant) % 4):
        case.headers.pop("Tidegate-Data-Dir")


def has_none(response):
    """A 2xx that is documented with a body may come without one: a report is there if there is something to
    report. OpenAPI has no word for that."""
    return 200 <= response.status_code < 300 and not response.content


@schemathesis.check
def content_type_of_a_body(context, response, case):
    return None if has_none(response) else checks.content_type_conformance(context, response, case)


@schemathesis.check
def schema_of_a_body(context, response, case):
    return None if has_none(response) else checks.response_schema_conformance(context, response, case)
