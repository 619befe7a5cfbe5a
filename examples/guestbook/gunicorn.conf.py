"""What gunicorn reads by itself when it starts in this folder. The address comes from the command line."""

# Threads rather than processes: one boot, one memory, and SQLite has one writer at a time anyway.
threads = 8
# The application is loaded before the worker is forked, so that one that cannot start ends gunicorn at once
# instead of being tried again and again.
preload_app = True
# The proxy in front keeps connections to visitors open; here each answer closes its own, so that stopping waits
# for requests under way and never for idle connections.
keepalive = 0
# The worker's heartbeat is a file; in memory it never waits for a disk.
worker_tmp_dir = "/dev/shm"
# No second socket beside the one that serves.
control_socket_disable = True
accesslog = "-"
