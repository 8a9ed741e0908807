"""Takes JSON schemas of the Kubernetes API out of the package kubernetes-validate, and has them refuse unknown fields.

    strict-schemas.py WHEEL DIRECTORY VERSION...

The API server prunes a field that it does not know without a word; a misspelt one should be told.
"""

import json
import pathlib
import re
import sys
import zipfile


def close(schema):
    """Whatever names its properties takes no others; definitions are in the file beside it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            schema["$ref"] = schema["$ref"].removeprefix("/api/")
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)


def main(wheel, directory, *versions):
    entry = re.compile(r"kubernetes_validate/kubernetes-json-schema/v(\d+\.\d+)\.\d+-local/([^/]+\.json)")
    with zipfile.ZipFile(wheel) as package:
        for name in package.namelist():
            found = entry.fullmatch(name)
            if not found or found[1] not in versions:
                continue
            schema = json.loads(package.read(name))
            # Where the schema of schemas and the schema itself are said to be, nobody should look.
            for key in ("$schema", "$id"):
                schema.pop(key, None)
            close(schema)
            target = pathlib.Path(directory, found[1], found[2])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(schema))


main(*sys.argv[1:])
