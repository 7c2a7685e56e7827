"""The deployment of docker-compose.yml as a whole, on a Docker engine."""
