"""What flows back from a score: the gradient, the other ReLU rules, and class activation maps."""
