"""Says what came in, echoes websockets, counts server-sent events: what a front door must pass on as it is."""
import base64, hashlib, os, signal, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "one"

class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.endswith("/socket"):
            return self.socket()
        if path.endswith("/events"):
            return self.events()
        if path.endswith("/big"):
            self.send_response(200)
            self.send_header("Content-Length", str(64 << 20))
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b"x" * (1 << 20))
            return
        if path.endswith("/fail"):
            return self.say("the application's own failure\n", 502)
        fields = "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items())
        self.say(f"{VERSION}\n{self.command} {self.path}\n{fields}")

    def do_POST(self):
        length = left = int(self.headers.get("Content-Length") or 0)
        seen = hashlib.sha256()
        while left:
            got = self.rfile.read(min(left, 1 << 20))
            if not got:
                return
            seen.update(got)
            left -= len(got)
        self.say(f"{length} {seen.hexdigest()}\n")

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        number = 0
        self.wfile.write(b"data: hello\n\n")
        while True:
            self.wfile.write(f"data: {number}\n\n".encode())
            number += 1
            time.sleep(0.1)

    def frame(self, kind, data):
        self.wfile.write(bytes([0x80 | kind, len(data)]) + data)

    def socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        self.frame(1, VERSION.encode())
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 0x7F
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            self.frame(head[0] & 0x0F, data)
            if head[0] & 0x0F == 8:
                return

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server((os.environ["HOST"], int(os.environ["PORT"])), Echo).serve_forever()
