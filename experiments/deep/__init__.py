"""Contests of deep agents: tasks, arms and rivals tuned alike; the ladder; what emotions cost elsewhere."""
