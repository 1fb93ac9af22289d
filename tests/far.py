"""A server that is far away: a port of its own before it, whose bytes arrive after half the round trip."""
import queue
import socket
import threading
import time


class Far:
    def __init__(self, port, ms):
        """port: the server's, on loopback; ms: the round trip."""
        self.half, self.to = ms / 2000, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open += [near, far]
            self.pump(near, far)
            self.pump(far, near)

    def pump(self, source, target):
        """Reads at once, gives on when it is time: what is under way does not hold up what comes behind."""
        waiting = queue.Queue()

        def read():
            data = b"-"
            while data:
                try:
                    data = source.recv(1 << 18)
                except OSError:
                    data = b""
                waiting.put((time.monotonic() + self.half, data))

        def write():
            while True:
                when, data = waiting.get()
                time.sleep(max(0, when - time.monotonic()))
                try:
                    target.sendall(data) if data else target.shutdown(socket.SHUT_WR)
                except OSError:
                    return
                if not data:
                    return
        for f in (read, write):
            threading.Thread(target=f, daemon=True).start()

    def close(self):
        for s in self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
