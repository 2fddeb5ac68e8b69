"""Downloading and unpacking datasets and models."""
