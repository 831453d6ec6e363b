"""Draw the rates: `python plot.py FOLDER` reads FOLDER/results.json and writes FOLDER/results.svg."""

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

folder = Path(sys.argv[1])
results = [one for one in json.loads((folder / "results.json").read_text()) if one["runs"]]
rates = [[run["records"] / run["seconds"] for run in one["runs"]] for one in results]
names = [f"{one['name']} ({one['database']})".replace("`", "") for one in results]
medians = [median(one) for one in rates]
errors = [
    [middle - min(one) for middle, one in zip(medians, rates, strict=True)],
    [max(one) - middle for middle, one in zip(medians, rates, strict=True)],
]
colours = {
    "harvest_dagster": "#1b6ca8",
    "dlt": "#c0572b",
    "ORM": "#8a8a8a",
    "COPY": "#3d3d3d",
    "executemany": "#3d3d3d",
}
ours = "#1b6ca8"

mpl.rcParams["svg.hashsalt"] = "bench"
figure, axes = plt.subplots(figsize=(9, 0.42 * len(names) + 1.2))
bars = axes.barh(
    names, medians, xerr=errors, color=[colours.get(name.split(",")[0].split(" ")[0], ours) for name in names]
)
axes.bar_label(bars, labels=[f"{middle:,.0f}" for middle in medians], padding=6)
axes.invert_yaxis()
axes.set_xlabel("records per second: median, fastest, slowest run")
axes.spines[["top", "right"]].set_visible(False)
axes.margins(x=0.15)
figure.tight_layout()
figure.savefig(folder / "results.svg", metadata={"Date": None})
