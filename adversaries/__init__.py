"""Views and granted knowledge in, guesses out. A module is a technique, never a goal."""
