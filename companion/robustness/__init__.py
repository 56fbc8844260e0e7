"""Chapter 3, Robustness: withstanding and recovering from failures, errors and attacks."""
