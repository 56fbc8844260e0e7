"""Chapter 1, Value Alignment: giving an agent the objective that its users mean."""
