"""Chapter 2, Safety: staying within bounds against adversaries, wrong data and rare events."""
