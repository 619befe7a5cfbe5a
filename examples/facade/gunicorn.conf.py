"""What gunicorn reads by itself when it starts in this folder."""

workers = 4
timeout = 120
keepalive = 5
# The application is made once, before the workers are forked: one that cannot start ends gunicorn at once instead of
# being tried again and again.
preload_app = True
# The workers' heartbeat is a file; in memory it never waits for a disk.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
# Requests and errors go where a container's or a service's output goes.
accesslog = "-"
errorlog = "-"
