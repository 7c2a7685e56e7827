"""What every service stands on: settings from the environment, logs, metrics, the internal port, draining."""
