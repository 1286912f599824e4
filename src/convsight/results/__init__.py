"""What a technique answers with: the kinds of result, how they are drawn, and where they came from."""
