"""Answers /time with the time. Python's own http.server and nothing else."""

import json
import os
import signal
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            status, body = 200, {"status": "ok"}
        elif self.path == "/time":
            status, body = 200, {"time": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        else:
            status, body = 404, {"error": "there is /time and nothing else"}
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        # The page may come from another host name.
        self.send_header("access-control-allow-origin", "*")
        self.end_headers()
        self.wfile.write(payload)


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections that may wait to be accepted; the default of 5 drops bursts


server = Server((os.environ["HOST"], int(os.environ["PORT"])), Api)
# `shutdown` waits for the loop below, so it must not be called from within it.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
