"""Everything around a model's step while it trains."""
