"""The command line: the only place that prints, asks and exits.

`main.py` holds the table of commands, `failures.py` turns an error into words and an exit code, `project.py`
finds out which project and which VMs are meant; every other file is one family of commands.
"""
