"""Colour spaces, metrics and files of images."""
