"""What is inside a network: its operations by name, what they see and give, and how to watch or change a pass."""
