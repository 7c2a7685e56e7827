"""A run in words and as JSON. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from tests.faults.coverage import Coverage

FINDINGS: Final = ("lost", "doubled", "phantom", "different")


def render(document: Mapping[str, Any], coverage: Coverage) -> str:
    """The report as text."""
    findings, compared = document["findings"], document["findings"]["compared"]
    faults = " · ".join(f"{kind} {findings[kind]['count']}" for kind in FINDINGS)
    zombies = document["zombies"]
    recorded, absent = compared.get("unknown_recorded", 0), compared.get("unknown_absent", 0)
    lines = [
        f"Fault harness: {'CLEAN' if document['is_clean'] else 'NOT CLEAN'}",
        "",
        f"  seed                 {document['seed']}",
        f"  faults               {document['faults_made']} in {document['seconds']:.0f} s under load",
        f"  zombies              {zombies['rounds']} rounds, {zombies['fenced']} late writes refused",
        f"  acknowledged         {compared.get('acknowledged', 0):,} actions, {document['actions_per_s']:.0f}/s",
        f"  sent again           {document['retries']:,} without an answer, {document['repeats']:,} on purpose",
        f"  unknown to the end   {recorded} recorded, {absent} not",
        f"  boards watched       {document['boards_seen']:,}",
        "",
        f"  {faults} · backwards {document['backwards']['count']} · zombie writes {zombies['accepted']}",
        "",
        "  compared: " + ", ".join(f"{name} {count:,}" for name, count in compared.items()),
        "",
        "  target        step                     hits by kind of fault",
    ]
    for target, step, kinds in coverage.table():
        lines.append(f"  {target:<13} {step:<24} " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    if document["steps_missing"]:
        lines += ["", "  NEVER HIT: " + ", ".join(document["steps_missing"])]
    for kind in FINDINGS:
        lines += [f"  {kind}: {line}" for line in findings[kind]["first"]]
    lines += [f"  backwards: {line}" for line in document["backwards"]["first"]]
    lines += [f"  ended by itself: {line}" for line in document["ended_by_themselves"]]
    return "\n".join(lines) + "\n"
