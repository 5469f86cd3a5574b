"""A web server that plays orchestrator's API for the client tests: canned answers, and a log of what was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer:
    """One HTTP answer. A str or bytes body is sent as it is, anything else as JSON.

    hang_up sends nothing; cut promises more of the body than it sends.
    """

    def __init__(self, body=b"", status=200, hang_up=False, cut=False):
        self.body = body.encode() if isinstance(body, str) else body
        if not isinstance(self.body, bytes):
            self.body = json.dumps(self.body, separators=(",", ":")).encode()
        self.status = status
        self.hang_up = hang_up
        self.cut = cut


def raw(value):
    return Answer(json.dumps(value))


def ok(details=None, message=""):
    return Answer({"Code": "OK", "Message": message, "Details": details})


def error(message, details=None):
    return Answer({"Code": "ERROR", "Message": message, "Details": details}, 500)


NOT_FOUND = Answer("404 page not found\n", 404)
HANG_UP = Answer(hang_up=True)


class MockApi:
    """Answers /api/<path> (path with its query) from `answers`: an Answer, or a list of which the last one stays."""

    def __init__(self):
        mock = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mock.log.append((self.command, self.path, dict(self.headers)))
                answer = mock.take(self.path)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body) + (100 if answer.cut else 0)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
                self.close_connection = answer.cut

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *args):
                pass

        self.answers = {}
        self.prefix = "/api/"
        self.log = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def take(self, path):
        if not path.startswith(self.prefix):
            return NOT_FOUND
        with self.lock:
            answer = self.answers.get(path[len(self.prefix):], NOT_FOUND)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def paths(self):
        """What was asked, without the prefix; anything but GET shows its method."""
        return [("" if method == "GET" else method + " ") + path.replace(self.prefix, "", 1)
                for method, path, _ in self.log]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
