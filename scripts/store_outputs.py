"""Run the notebooks as they stand and store their outputs, without what changes at every run.

`make stored` calls it. Progress bars, execution times, addresses of objects and widgets are left
out, so that a stored notebook changes only where a result does. Of a widget its picture is stored.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"
ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>)")


def stored(path: Path) -> None:
    """Execute one notebook in its own folder and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        coalesce_streams=True,  # printed lines come in pieces that differ from run to run
        resources={"metadata": {"path": path.parent}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
            for data in (output.get("data", {}) for output in cell.outputs):
                data.pop(WIDGET, None)  # its name is another at every run
                if "text/plain" in data:
                    data["text/plain"] = ADDRESS.sub("", data["text/plain"])
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


for name in sys.argv[1:]:
    print(name)
    stored(Path(name))
