"""The settings of Sphinx. `make docs` builds the documentation site from the Markdown files of this folder.

The pages must stay readable in a repository browser, so they use only what such browsers know, except for the few
directives of Sphinx. The rest is done here: the anchors that a page declares in HTML become known to MyST, and a link
to a file outside of this folder becomes the path of the file. See docs/decisions/0050.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from harvest_dagster import __version__

project = "harvest_dagster"
version = release = __version__
author = "the authors of harvest_dagster"

extensions = ["myst_parser", "sphinx_click"]
myst_heading_anchors = 4  # the same anchors as in a repository browser
default_role = "code"  # `text` in the help of commands
html_theme = "furo"
html_title = f"harvest_dagster {release}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style, pygments_dark_style = "default", "monokai"

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent
_ANCHOR = re.compile(r'<a id="([^"]+)">')


class ExplicitAnchors(SphinxTransform):
    """Let links name the anchors that a page declares in HTML, as in `failures.md#single-use-token`."""

    default_priority = 800  # before MyST resolves the links inside a page, at 879

    def apply(self, **kwargs: Any) -> None:  # noqa: ARG002  # of the interface
        """Add the anchors of one page to those of its headings."""
        slugs = getattr(self.document, "myst_slugs", {})
        for html in self.document.findall(nodes.raw):
            slugs |= {name: (html.line, name, name) for name in _ANCHOR.findall(html.astext())}
        self.env.metadata[self.env.docname]["myst_slugs"] = slugs


class RepositoryFiles(SphinxTransform):
    """Replace a link to a file or folder of the repository that is no page of the site by its path.

    The address of the repository depends on where it is hosted, and copies of the source code in the site would soon be
    outdated. Files in examples are copied: people need them. harvest_dagster_tests/test_links.py checks that the files
    exist.
    """

    default_priority = 800

    def apply(self, **kwargs: Any) -> None:  # noqa: ARG002  # of the interface
        """Replace the links of one page."""
        page = Path(self.env.doc2path(self.env.docname))
        links = [
            *self.document.findall(addnodes.download_reference),
            *self.document.findall(addnodes.pending_xref),
        ]
        for link in links:
            target = _file_of(link, page.parent)
            if target is not None:
                link.replace_self(_path_of(link, str(target.relative_to(_ROOT))))


def _file_of(link: nodes.Element, folder: Path) -> Path | None:
    """Return the file or folder to which a link leads, or None if it is part of the site."""
    target = (folder / str(link["reftarget"])).resolve()
    if link.get("refdomain") == "doc":  # MyST has removed the suffix of a page
        target = Path(f"{target}.md")
        return target if target.exists() and not target.is_relative_to(_DOCS) else None
    is_example = target.is_file() and target.is_relative_to(_ROOT / "examples")
    return target if target.exists() and target.is_relative_to(_ROOT) and not is_example else None


def _path_of(link: nodes.Element, path: str) -> list[nodes.Node]:
    """Return the path in place of a link whose text is only a part of it, otherwise the text and the path."""
    literal = nodes.literal(path, path)
    if link.astext().strip("/") in path:
        return [literal]
    return [*link.children, nodes.Text(" ("), literal, nodes.Text(")")]


def show_examples_as_code(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Show the examples of a command as code. Its help marks them as lines that click does not wrap."""
    shown: list[str] = []
    for line in lines:
        text = line.removeprefix("| ")
        if text != "\b":
            shown += ["Examples::", ""] if text == "Examples:" else [text]
    lines[:] = shown


def setup(app: Sphinx) -> None:
    """Register the transforms."""
    app.connect("sphinx-click-process-description", show_examples_as_code)
    app.add_transform(ExplicitAnchors)
    app.add_transform(RepositoryFiles)
