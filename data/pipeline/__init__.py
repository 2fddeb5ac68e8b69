"""From a dataset to batches: the order, the loader, the batches."""
