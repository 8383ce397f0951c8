"""Sphinx settings for the documentation on docs.ros.org, which rosdoc2 builds."""

from typing import Any

project = "camf_ros"
extensions = ["myst_parser"]
# Links to headings, as GitHub names them.
myst_heading_anchors = 4


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", keep_text_of_file_links)


def keep_text_of_file_links(_: Any, tree: Any) -> None:
    """Links to files of the repository become plain text, because the site holds the pages alone."""
    for node in list(tree.findall(lambda node: node.get("reftype") == "myst" if hasattr(node, "get") else False)):
        if node.get("refdomain") != "doc" and not node["reftarget"].startswith("#"):
            node.replace_self(node.children)
