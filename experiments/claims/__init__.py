"""Earlier claims for emotional Q-learning, tested again on fair terms; `study` has the command."""
