"""Helpers that know nothing of models or datasets: console, images, pages, checkpoints, schedules, plug-ins."""
