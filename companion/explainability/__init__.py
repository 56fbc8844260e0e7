"""Chapter 4, Explainability: telling truly why a model answered as it did."""
