"""What schemathesis cannot know from the document alone."""

import os

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def before_call(context, case, kwargs):
    """A cursor is opaque: only one that the gateway has given is sound, whatever its letters are."""
    query = case.query if isinstance(case.query, dict) else {}
    if "cursor" in query and case.meta and case.meta.generation.mode == GenerationMode.POSITIVE:
        query["cursor"] = os.environ["CURSOR"]


@schemathesis.check
def tells_who_speaks(context, response, case):
    """The gateway's own words are problems under a status of their own, and nothing else is a problem."""
    outcome = response.headers.get("gateway-outcome", [None])[0]
    if outcome in (None, "replayed"):
        return
    ours = outcome in ("refused", "failed")
    kind = response.headers.get("content-type", [""])[0]
    if ours != (kind == "application/problem+json"):
        raise AssertionError(f"{outcome}, and {kind or 'no media type'}")
    # A method that a path does not take has its answer among the components.
    known = {"405", *case.operation.responses.status_codes}
    if ours and str(response.status_code) not in known:
        raise AssertionError(f"{response.status_code} is the gateway's own, and is not described")
