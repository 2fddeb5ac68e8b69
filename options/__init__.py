"""The command line: shared options, then those of the chosen model and dataset (see ``BaseOptions.parse``)."""
