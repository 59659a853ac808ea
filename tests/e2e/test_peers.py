"""Whoever comes over TCP: tokens, scopes, TLS, owners, quotas; and peers that
mean no good."""
import functools
import hashlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from support import BIN, PROMPT, CommandFailed, Daemon, eventually
from test_hostile import HEADER, crc32c, frames

CONFIGURATION = """
tls: {{certificate: {state}/certificate.pem, key: {state}/key.pem}}
limits: {{handshake_seconds: 1, frame_seconds: 1, stalled_seconds: 2}}
owners: {{max_conversations: {conversations}}}
log_levels: {{daemon: info}}
"""


# Name: scopes, groups.
TOKENS = {"alice": ("read,generate", "lab"), "bob": ("read,generate", "lab,owls"),
          "carol": ("read", ""), "root": ("read,generate,admin", "")}


@functools.cache
def certificate():
    """One that signed itself, and its key."""
    with tempfile.TemporaryDirectory() as directory:
        at = pathlib.Path(directory)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=lamina", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", at / "key.pem", "-out",
             at / "certificate.pem"], check=True, capture_output=True)
        return {name: (at / name).read_text() for name in ("key.pem", "certificate.pem")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PeerTest(unittest.TestCase):
    """A daemon on a Unix socket, TCP and TLS, with some tokens."""

    def setUp(self):
        self.tcp, self.tls = free_port(), free_port()
        self.daemon = Daemon(BIN)
        state = self.daemon.state
        for name, text in certificate().items():
            (state / name).write_text(text)
            (state / name).chmod(0o600)
        self.daemon.arguments = ("--config", state / "lamina.yaml", "--listen",
                                 f"tcp://127.0.0.1:{self.tcp}", "--listen",
                                 f"tls://127.0.0.1:{self.tls}")
        self.daemon.log = state / "log"
        self.configure(0)
        self.tokens = {name: f"lamina_{name}" for name in TOKENS}
        tokens = state / "tokens"
        tokens.write_text("".join(
            f"{name} {scopes} {hashlib.sha256(self.tokens[name].encode()).hexdigest()} {groups}\n"
            for name, (scopes, groups) in TOKENS.items()))
        tokens.chmod(0o600)
        self.daemon.start()
        self.addCleanup(self.daemon.__exit__)

    def configure(self, conversations, more=""):
        (self.daemon.state / "lamina.yaml").write_text(
            CONFIGURATION.format(state=self.daemon.state, conversations=conversations) + more)

    def add_token(self, name, *more):
        return subprocess.run(
            [BIN / "laminad", "--state-dir", self.daemon.state, "--add-token", name, *more],
            check=True, text=True, capture_output=True).stdout.strip()

    def ask(self, who, *arguments, endpoint=None, environment=None):
        """As a bearer over TCP; who None: without a token."""
        given = {**os.environ, **(environment or {})}
        given.pop("LAMINA_TOKEN", None)
        if who:
            given["LAMINA_TOKEN"] = self.tokens.get(who, who)
        done = subprocess.run(
            [BIN / "lamina", "--json", "--endpoint", endpoint or f"tcp://127.0.0.1:{self.tcp}",
             *map(str, arguments)], text=True, capture_output=True, env=given, timeout=60)
        if done.returncode != 0:
            raise CommandFailed(done)
        return json.loads(done.stdout)

    def assertRefused(self, code, who, *arguments, **more):
        with self.assertRaises(CommandFailed) as raised:
            self.ask(who, *arguments, **more)
        self.assertEqual(raised.exception.code, code, raised.exception.stderr)
        return raised.exception.stderr

    def reload(self):
        before = self.said()
        self.daemon.process.send_signal(signal.SIGHUP)
        news = lambda: self.said()[len(before):]
        eventually(lambda: "is in force" in news() or "nothing was changed" in news(), 10)
        return news()

    def said(self):
        return self.daemon.log.read_text()


class Tokens(PeerTest):
    def test_only_bearers_of_a_token_come_in(self):
        self.assertRefused("unauthenticated", None, "models")
        self.assertRefused("unauthenticated", "lamina_" + "0" * 64, "models")
        self.assertEqual(len(self.ask("alice", "models")["models"]), 1)
        self.daemon.json("models")  # the kernel vouches for who uses the Unix socket
        for token in self.tokens.values():
            self.assertNotIn(token, self.said())

    def test_a_token_comes_from_a_file_that_others_cannot_read(self):
        file = self.daemon.state / "mine"
        file.write_text(self.tokens["alice"] + "\n")
        file.chmod(0o600)
        self.ask(None, "models", environment={"LAMINA_TOKEN_FILE": str(file)})
        self.ask(None, "--token-file", file, "models")
        file.chmod(0o644)
        self.assertRefused("forbidden", None, "--token-file", file, "models")

    def test_scopes_bound_what_a_token_may_ask(self):
        self.ask("carol", "conversations", "list")
        self.assertIn("generate", self.assertRefused("forbidden", "carol", "generate", PROMPT))
        self.assertRefused("forbidden", "alice", "config", "show")
        shown = self.ask("root", "config", "show")
        sources = {s["key"]: s["source"] for s in shown["settings"]}
        self.assertTrue(sources["limits.frame_seconds"].endswith("lamina.yaml:3"))
        self.assertEqual(sources["listen"], "--listen")
        self.assertEqual(sources["threads"], "default")

    def test_hellos_that_fail_are_rationed(self):
        for _ in range(5):
            self.assertRefused("unauthenticated", "guess", "ping")
        self.assertIn("again in", self.assertRefused("overloaded", "guess", "ping"))
        self.assertRefused("overloaded", "alice", "ping")
        self.daemon.json("ping")

    def test_a_new_token_is_taken_and_an_old_one_goes_at_a_reload(self):
        self.tokens["dora"] = self.add_token("dora")
        self.assertRefused("unauthenticated", "dora", "ping")
        subprocess.run([BIN / "laminad", "--state-dir", self.daemon.state, "--remove-token",
                        "alice"], check=True)
        self.reload()
        self.ask("dora", "ping")
        self.assertRefused("unauthenticated", "alice", "ping")


class Tls(PeerTest):
    def ask_tls(self, who, host, *arguments, trusted=True):
        ca = {"LAMINA_TLS_CA": str(self.daemon.state / "certificate.pem")} if trusted else {}
        return self.ask(who, *arguments, endpoint=f"tls://{host}:{self.tls}", environment=ca)

    def test_a_trusted_daemon_is_spoken_to(self):
        for host in ("127.0.0.1", "localhost"):
            turn = self.ask_tls("alice", host, "generate", "--max-new-tokens", 3, PROMPT)
            self.assertTrue(turn["conversation"])
        with self.assertRaises(CommandFailed) as raised:
            self.ask_tls(None, "localhost", "models")
        self.assertEqual(raised.exception.code, "unauthenticated")

    def test_a_daemon_that_is_not_who_it_should_be_is_not(self):
        for who, host, trusted in (("alice", "localhost", False), ("alice", "127.1", True)):
            with self.assertRaises(CommandFailed) as raised:
                self.ask_tls(who, host, "models", trusted=trusted)
            self.assertEqual(raised.exception.code, "forbidden")
            self.assertIn("cannot be trusted", raised.exception.stderr)

    def test_older_versions_of_tls_are_refused(self):
        context = ssl.create_default_context(cafile=self.daemon.state / "certificate.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", self.tls)) as plain:
            with self.assertRaises(ssl.SSLError):
                context.wrap_socket(plain, server_hostname="localhost")

    def test_who_speaks_clear_text_to_it_harms_nobody(self):
        with socket.create_connection(("127.0.0.1", self.tls)) as peer:
            peer.settimeout(10)
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while peer.recv(4096):
                pass
        self.ask_tls("alice", "localhost", "ping")


class Owners(PeerTest):
    def test_what_is_private_is_not_there_for_others(self):
        mine = self.ask("alice", "generate", "--max-new-tokens", 4, PROMPT)["conversation"]
        for ask in (("conversations", "show", mine), ("lens", mine, 2), ("attach", mine),
                    ("conversations", "delete", mine), ("conversations", "pin", mine),
                    ("conversations", "fork", mine, 3), ("conversations", "share", mine, "lab"),
                    ("generate", "--conversation", mine, "more"),
                    ("search", "--in", mine, "--text", "captain")):
            self.assertRefused("not_found", "bob", *ask)
        self.assertEqual(self.ask("bob", "conversations", "list")["conversations"], [])
        self.assertEqual(self.ask("bob", "search", "--text", "captain")["conversations"], 0)
        self.assertEqual(self.ask("bob", "cache", "usage")["conversations"], [])
        # The one who runs the daemon is another owner, too.
        self.assertEqual(self.daemon.json("conversations", "list")["conversations"], [])
        self.assertEqual(self.ask("alice", "conversations", "show", mine)["owner"], "alice")

    def test_a_group_reads_what_is_shared_and_no_more(self):
        mine = self.ask("alice", "generate", "--max-new-tokens", 4, PROMPT)["conversation"]
        self.assertRefused("forbidden", "alice", "conversations", "share", mine, "owls")
        self.ask("alice", "conversations", "share", mine, "lab")
        shown = self.ask("bob", "conversations", "show", mine)
        self.assertFalse(shown["yours"])
        self.ask("bob", "lens", mine, 2)
        self.assertEqual(self.ask("bob", "search", "--text", "captain")["conversations"], 1)
        self.assertRefused("not_found", "carol", "conversations", "show", mine)
        for ask in (("conversations", "delete", mine), ("conversations", "pin", mine),
                    ("generate", "--conversation", mine, "more")):
            self.assertRefused("forbidden", "bob", *ask)
        fork = self.ask("bob", "conversations", "fork", mine, 3)
        self.assertEqual((fork["owner"], fork["group"]), ("bob", ""))
        self.assertRefused("not_found", "alice", "conversations", "show", fork["id"])
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.ask("bob", "conversations", "show", mine)["group"], "lab")
        self.ask("alice", "conversations", "unshare", mine)
        self.assertRefused("not_found", "bob", "conversations", "show", mine)

    def test_a_quota_that_is_reached_is_said(self):
        first = self.ask("alice", "generate", "--max-new-tokens", 2, PROMPT)["conversation"]
        self.configure(1)
        self.reload()
        self.assertIn("alice", self.assertRefused("limit_exceeded", "alice", "generate", PROMPT))
        self.ask("alice", "generate", "--conversation", first, "--max-new-tokens", 2, "on")
        self.ask("bob", "generate", "--max-new-tokens", 2, PROMPT)
        self.ask("alice", "conversations", "delete", first)
        self.ask("alice", "generate", "--max-new-tokens", 2, PROMPT)


class Reload(PeerTest):
    def test_a_wrong_file_changes_nothing(self):
        self.configure(0, "threds: 2\n")
        said = self.reload()
        self.assertIn("did you mean 'threads'?", said)
        self.assertIn("nothing was changed", said)
        self.ask("alice", "models")

    def test_an_address_that_needs_its_certificate_keeps_it(self):
        (self.daemon.state / "lamina.yaml").write_text("log_levels: {daemon: info}\n")
        self.assertIn("needs tls.certificate", self.reload())
        self.ask("alice", "models", endpoint=f"tls://localhost:{self.tls}",
                 environment={"LAMINA_TLS_CA": str(self.daemon.state / "certificate.pem")})

    def test_what_takes_a_restart_is_named(self):
        self.configure(0, "threads: 2\ncache: {memory: {max_size_mb: 64}}\n")
        said = self.reload()
        self.assertIn("'threads' has changed, which takes a restart", said)
        shown = {s["key"]: s for s in self.ask("root", "config", "show")["settings"]}
        self.assertEqual(shown["threads"]["value"], 0)
        self.assertEqual(shown["cache.memory.max_size_mb"]["value"], 64)

    def test_check_config_says_where(self):
        self.configure(0, "cache: {disk: {max_size_mb: 3}}\n")
        checked = subprocess.run([BIN / "laminad", "--check-config", *self.daemon.arguments],
                                 text=True, capture_output=True)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("lamina.yaml:6: unknown key 'max_size_mb' in cache.disk", checked.stderr)
        self.configure(0)
        self.assertEqual(subprocess.run([BIN / "laminad", "--check-config",
                                         *self.daemon.arguments], capture_output=True).returncode, 0)


class Recorder(threading.Thread):
    """Passes one TCP connection on to the daemon and keeps what the client sent."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.sent = b""

    def run(self):
        with self.server, socket.create_connection(("127.0.0.1", self.port)) as daemon:
            client, _ = self.server.accept()

            def back():
                while data := daemon.recv(65536):
                    client.sendall(data)

            answers = threading.Thread(target=back, daemon=True)
            answers.start()
            with client:
                while data := client.recv(65536):
                    self.sent += data
                    daemon.sendall(data)
                daemon.shutdown(socket.SHUT_WR)
                answers.join(5)


class Hostile(PeerTest):
    def record(self, who, *arguments):
        """The frames that a command sends, its hello first."""
        recorder = Recorder(self.tcp)
        recorder.start()
        self.ask(who, *arguments,
                 endpoint=f"tcp://127.0.0.1:{recorder.server.getsockname()[1]}")
        recorder.join(10)
        return frames(recorder.sent)

    def connect(self, sent=b"", address="127.0.0.1"):
        peer = socket.create_connection(("127.0.0.1", self.tcp), source_address=(address, 0))
        peer.settimeout(30)
        peer.sendall(sent)
        return peer

    @staticmethod
    def drain(peer):
        """What comes until the daemon closes."""
        answer = b""
        try:
            while data := peer.recv(65536):
                answer += data
        except ConnectionError:
            pass
        peer.close()
        return answer

    def assertUnharmed(self):
        """Others are served, over both kinds of sockets."""
        self.daemon.json("ping")
        self.ask("alice", "ping")

    def test_who_says_nothing_is_sent_away(self):
        hello = self.record("alice", "ping")[0]
        started = time.monotonic()
        silent = [self.connect(hello[:n]) for n in (0, 1, 23, 24, len(hello) - 1)]
        for peer in silent:
            self.assertIn(b"no hello came in time", self.drain(peer))
        self.assertLess(time.monotonic() - started, 25)
        self.assertUnharmed()

    def test_a_frame_that_drips_is_cut_off(self):
        hello, ping = self.record("alice", "ping")
        peer = self.connect(hello + ping[:30])
        self.assertIn(b"a frame took too long", self.drain(peer))
        self.assertUnharmed()

    def test_a_thousand_connections_of_one_address_leave_room(self):
        before = self.daemon.resident_bytes()
        crowd = []
        for _ in range(1000):
            crowd.append(self.connect(address="127.0.0.9"))
        self.daemon.json("ping")
        self.ask("alice", "ping")
        self.assertLess(self.daemon.resident_bytes() - before, 64 << 20)
        self.assertLessEqual(self.daemon.status()["connections"], 66)
        refused = sum(b"as many connections" in self.drain(peer) for peer in crowd)
        self.assertGreaterEqual(refused, 1000 - 70)
        eventually(lambda: self.daemon.status()["connections"] <= 1, 30)

    def test_claims_of_length_take_no_memory(self):
        hello = self.record("alice", "ping")[0]
        claim = HEADER.pack(b"LAMN", 1, 1, 0, 2, 4 << 20, 8 << 20, 0)
        before = self.daemon.resident_bytes()
        crowd = [self.connect(hello + claim + b"\0" * 1000) for _ in range(60)]
        eventually(lambda: self.daemon.status()["connections"] >= 60, 10)
        # Twelve megabytes each were claimed.
        self.assertLess(self.daemon.resident_bytes() - before, 60 << 20)
        for peer in crowd:
            self.drain(peer)
        self.assertUnharmed()

    def test_a_first_frame_larger_than_any_hello_is_refused(self):
        peer = self.connect(HEADER.pack(b"LAMN", 1, 1, 0, 1, 1 << 20, 0, 0))
        self.assertIn(b"no Hello", self.drain(peer))

    def test_readers_that_never_read_are_bounded_and_let_go(self):
        turn = self.ask("alice", "generate", "--max-new-tokens", 200, PROMPT)
        file = self.daemon.state / "rows.npy"
        asks = self.record("alice", "activations", turn["conversation"], "--output", file)
        hello, ask = asks[0], asks[-1]
        many = b"".join(self.numbered(ask, n) for n in range(3, 43))
        generate = self.record("alice", "generate", "--max-new-tokens", 400, PROMPT)[-1]
        before = self.daemon.resident_bytes()
        crowd = []
        for _ in range(10):
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", self.tcp))
            peer.sendall(hello + self.numbered(generate, 2) + many)
            crowd.append(peer)
        for _ in range(20):
            self.daemon.run("--json", "lens", turn["conversation"], 5, check=False)
            self.ask("alice", "lens", turn["conversation"], 5)
            self.assertLess(self.daemon.resident_bytes() - before, 200 << 20)
        eventually(lambda: self.daemon.status()["connections"] <= 1, 60)
        for peer in crowd:
            peer.close()
        self.assertUnharmed()

    @staticmethod
    def numbered(frame, request):
        """The same request under another number."""
        header = list(HEADER.unpack_from(frame))
        header[4], header[7] = request, 0
        head = HEADER.pack(*header)[:20]
        body = frame[HEADER.size:]
        return head + crc32c(head + body).to_bytes(4, "little") + body


if __name__ == "__main__":
    unittest.main()
