"""The command line: tables of options, and parsing in stages (see ``BaseOptions``)."""
