"""Figures that tests take on the way; they are reported, and not what a test passes or fails by."""

import json

from toolchain.paths import ROOT, lock

FILE = ROOT / "build" / "measurements.json"


def record(name: str, value: float, unit: str, against: str) -> None:
    """Print a figure and keep the newest of each name in `build/measurements.json`.

    Args:
        name: What was measured.
        value: The figure.
        unit: Its unit.
        against: What to compare it with; may be empty.
    """
    print(f"measured: {name} = {value:.2f} {unit}" + (f" ({against})" if against else ""))
    entry = {"name": name, "value": round(value, 3), "unit": unit, "against": against}
    FILE.parent.mkdir(exist_ok=True)
    with lock("measurements", "writing a measurement"):
        kept = json.loads(FILE.read_text()) if FILE.exists() else []
        kept = [kept_entry for kept_entry in kept if kept_entry["name"] != name]
        FILE.write_text(json.dumps([*kept, entry], indent=2) + "\n")
