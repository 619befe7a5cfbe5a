"""A small web application that boots at once: sockets and threads, nothing imported that takes long."""
import os, signal, socket, sys, threading, time

VERSION = "one"
HEALTH = 200
FLAPS = False
checks = 0

def answer(path):
    global FLAPS, checks
    if path == "/healthz":
        checks += FLAPS
        well = HEALTH == 200 and checks % 2 == 0
        return (200, "healthy") if well else (500, "the database is on fire")
    if path == "/flap":
        FLAPS = True
    if path == "/env":
        return 200, "\n".join(sorted(os.environ))
    if path.startswith("/slow"):
        time.sleep(0.3)
    if path == "/crash":
        os._exit(7)
    return 200, VERSION

def serve(connection):
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = b""
        while True:
            while b"\r\n\r\n" not in left:
                got = connection.recv(65536)
                if not got:
                    return
                left += got
            head, left = left.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            length = int(fields.get("content-length", 0))
            while len(left) < length:
                got = connection.recv(65536)
                if not got:
                    return
                left += got
            left = left[length:]
            status, body = answer(lines[0].split(" ")[1])
            body = (body + "\n").encode()
            connection.sendall(
                b"HTTP/1.1 %d X\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body
            )
            if fields.get("connection") == "close":
                return

def quiet(connection):
    try:
        serve(connection)
    except OSError:
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
# BEFORE BIND
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((os.environ["HOST"], int(os.environ["PORT"])))
listener.listen(512)
print("tiny", VERSION, "listens", flush=True)
while True:
    threading.Thread(target=quiet, args=(listener.accept()[0],), daemon=True).start()
