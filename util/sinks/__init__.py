"""Where a training shows and logs what it does."""
