"""The project and what a user would pick instead, on the same files and the same work."""
