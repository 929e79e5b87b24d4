"""What the containers of docker-compose.yml are told, and the small programs that some of them run."""
