"""Whether every example of the documents is what its schema says."""

import json
import sys

import jsonschema


def media_types(node, path=""):
    """Everything that has a schema, with its place."""
    if isinstance(node, dict):
        if "schema" in node:
            yield path, node
        for key, value in node.items():
            yield from media_types(value, f"{path}/{key}")
    elif isinstance(node, list):
        for nth, value in enumerate(node):
            yield from media_types(value, f"{path}/{nth}")


def examples(node):
    for name, example in node.get("examples", {}).items():
        yield name, example["value"]
    if "example" in node:
        yield "example", node["example"]


count = faults = 0
# Requests that are meant to be refused.
WRONG = {"mixed", "nothing"}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    for place, node in media_types(document):
        schema = {**node["schema"], "components": document.get("components", {})}
        validator = jsonschema.Draft202012Validator(schema)
        for name, value in examples(node):
            count += 1
            if "requestBod" in place and name in WRONG:
                continue
            for error in validator.iter_errors(value):
                faults += 1
                print(f"{path}{place} {name}: {error.json_path}: {error.message}")
print(f"{count} examples, {faults} of them not what their schema says")
sys.exit(1 if faults or count < 20 else 0)
