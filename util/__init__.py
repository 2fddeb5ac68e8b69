"""The ground floor: console, files, processes, pages, displays, metrics, downloads."""
