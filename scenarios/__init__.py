"""Security games: who is attacked, by whom, knowing what. A module is a question."""
