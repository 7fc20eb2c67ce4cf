"""Which records was a model made from? Scores to rates, rates to a verdict."""
