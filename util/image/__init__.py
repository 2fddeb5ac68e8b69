"""Colour spaces and metrics of images."""
