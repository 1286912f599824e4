"""Layer-wise relevance propagation: the rules, which layer gets which, and how each operation hands relevance back."""
