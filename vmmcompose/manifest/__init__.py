"""`vmm.yaml` to `Desired`: pure text work, and every problem of a file in one run.

`text` decodes, `loader` makes nodes that know their places, `assemble` makes one tree of all files (variables,
`extends`, merging, `include`), `faults` words what the schema objects to, `resolve` turns the rest into `Desired`;
`source` finds the place of any part again, `show` writes the tree down.
"""

from vmmcompose.manifest.editor import editor_schema
from vmmcompose.manifest.parse import Manifest, parse_manifest, parse_project
from vmmcompose.manifest.schema import schema_text
from vmmcompose.manifest.source import SourceMap

__all__ = ["Manifest", "SourceMap", "editor_schema", "parse_manifest", "parse_project", "schema_text"]
