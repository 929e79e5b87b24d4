"""The kit that the services stand on: listening, auth, limits, errors, health, logs. It knows nothing of what they do."""
