"""Check files of cases: `check.py FILE.json …` or `check.py --all DIR`. Exits 0 only if every case agrees.

The schema is described at the head of make.py. Inputs are run through this implementation; every intermediate value
and output that a file states must come out the same, and what a file sealed or signed is opened and verified.
"""

import argparse
import json
import pathlib
import sys

from cases import kinds, readers, rooms, sessions  # noqa: F401, these add to the kinds
from cases.given import KINDS, run
from parlour.blocks import Refused


def differences(stated, found, where):
    """The values a file states and we do not find; the reasons of refusals are informative."""
    for name, value in stated.items():
        if name == "reasons_text":
            continue
        if name not in found:
            yield f"{where}.{name} is unknown"
        elif found[name] != value:
            yield f"{where}.{name} differs: stated {json.dumps(value)[:80]}, found {json.dumps(found[name])[:80]}"


def check_case(case):
    """A list of complaints."""
    if case["kind"] not in KINDS:
        return [f"unknown kind {case['kind']}"]
    try:
        middle, out = run(case["kind"], case["in"], case.get("out"))
    except Refused as refusal:
        return [f"refused: {refusal}"]
    except Exception as error:      # a case which does not fit the schema, or a fault of this implementation
        return [f"{type(error).__name__}: {error}"]
    missing = [f"out.{name} is missing" for name in out if name not in case.get("out", {})]
    return missing + [*differences(case.get("mid", {}), middle, "mid"), *differences(case.get("out", {}), out, "out")]


def check_file(path):
    """The number of cases that failed."""
    content, failed = json.loads(path.read_text()), 0
    for case in content["cases"]:
        complaints = check_case(case)
        failed += bool(complaints)
        print(f"{'FAIL' if complaints else 'ok  '} {path.name}: {case['kind']}: {case['name']}")
        for complaint in complaints:
            print(f"     {complaint}")
    if not content["cases"]:
        print(f"FAIL {path.name}: no cases")
    return failed + (not content["cases"])


def main():
    parser = argparse.ArgumentParser(description="Check files of cases against the second implementation.")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--all", type=pathlib.Path, metavar="DIR", help="every .json file of a folder")
    given = parser.parse_args()
    files = given.files + (sorted(given.all.glob("*.json")) if given.all else [])
    if not files:
        parser.error("no files")
    failed = sum(check_file(path) for path in files)
    print(f"{failed} cases failed" if failed else "all cases agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
