"""The nouns: frozen values that every other layer passes around.

Nothing here does I/O, reads a clock or decides; the files are named after what they hold. `desired` is what
the manifest asks for, `observed` what the host shows, `record` what was applied, `plan` what is to be done.
"""
