"""`python -m harvest_dagster.reference`: write the generated pages into docs/reference."""

from harvest_dagster.reference.pages import PAGES, ROOT

for file, page in PAGES.items():
    (ROOT / file).write_text(page(), encoding="utf-8")
    print(f"wrote {file}")
