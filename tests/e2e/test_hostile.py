"""Bad input from sockets, files and people: one clear error with a code each,
and the daemon serves on."""
import json
import pathlib
import random
import shutil
import socket
import struct
import threading
import time
import unittest

from support import BIN, PROMPT, ROOT, CommandFailed, Daemon, DaemonTest, rounds

HEADER = struct.Struct("<4sHBBIIII")


class Recorder(threading.Thread):
    """Passes one connection on to the daemon and keeps what the client sent."""

    def __init__(self, path, daemon_path):
        super().__init__(daemon=True)
        self.daemon_path = str(daemon_path)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.sent = b""

    def run(self):
        client, _ = self.server.accept()
        daemon = socket.socket(socket.AF_UNIX)
        daemon.connect(self.daemon_path)

        def back():
            while data := daemon.recv(65536):
                client.sendall(data)
            client.close()

        answers = threading.Thread(target=back, daemon=True)
        answers.start()
        while data := client.recv(65536):
            self.sent += data
            daemon.sendall(data)
        daemon.shutdown(socket.SHUT_WR)
        answers.join(5)
        daemon.close()
        self.server.close()


def frames(stream):
    """A byte stream cut into frames."""
    found = []
    while stream:
        header = HEADER.unpack_from(stream)
        size = HEADER.size + header[5] + header[6]
        found.append(stream[:size])
        stream = stream[size:]
    return found


def crc32c(data):
    """Bit by bit: reflected polynomial 0x82f63b78, inverted first and last."""
    register = 0xffffffff
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82f63b78 if register & 1 else 0)
    return register ^ 0xffffffff


def with_payload(frame, payload):
    """The same request with a payload and the checksum that fits."""
    magic, version, kind, flags, request, control, _, _ = HEADER.unpack_from(frame)
    header = HEADER.pack(magic, version, kind, flags, request, control, len(payload), 0)
    body = frame[HEADER.size:] + payload
    return header[:20] + struct.pack("<I", crc32c(header[:20] + body)) + body


class Sockets(DaemonTest):
    def record(self, *arguments):
        path = self.daemon.state / f"recorder-{time.monotonic_ns()}"
        recorder = Recorder(path, self.daemon.socket)
        recorder.start()
        endpoint, self.daemon.endpoint = self.daemon.endpoint, f"unix:{path}"
        try:
            self.daemon.run(*arguments)
        finally:
            self.daemon.endpoint = endpoint
        recorder.join(5)
        return frames(recorder.sent)

    def send(self, data, patience=30):
        """Everything the daemon answers until it closes or is silent for so many seconds."""
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(patience)
        peer.connect(str(self.daemon.socket))
        answer = b""
        try:
            peer.sendall(data)
            while chunk := peer.recv(65536):
                answer += chunk
        except (TimeoutError, ConnectionError):
            pass
        peer.close()
        return answer

    def test_two_thousand_mutilated_frames(self):
        conversation = self.daemon.generate(PROMPT, "--max-new-tokens", 5)["conversation"]
        real = []
        for command in (["lens", conversation, 3], ["conversations", "list"], ["status"],
                        ["conversations", "show", conversation]):
            real.append(self.record("--json", *command))
        before = self.daemon.resident_bytes()
        random.seed(20261121)
        for i in range(rounds(600, 2000)):
            stream = bytearray(b"".join(random.choice(real)))
            kind = random.randrange(4)
            if kind == 0:    # flipped bits
                for _ in range(random.randrange(1, 9)):
                    stream[random.randrange(len(stream))] ^= 1 << random.randrange(8)
            elif kind == 1:  # cut short
                del stream[random.randrange(len(stream)):]
            elif kind == 2:  # random from somewhere on
                at = random.randrange(len(stream))
                stream[at:] = random.randbytes(len(stream) - at)
            else:            # lying lengths
                at = random.choice((12, 16))
                struct.pack_into("<I", stream, at, random.getrandbits(32))
            self.send(bytes(stream), patience=0.02)
        grown = self.daemon.resident_bytes() - before
        self.assertLess(grown, 64 << 20)
        self.assertEqual(self.daemon.json("lens", conversation, 3)["position"], 3)

    def test_random_bytes_get_an_error_frame(self):
        for _ in range(50):
            answer = self.send(random.randbytes(200))
            magic, _, kind, *_ = HEADER.unpack_from(answer)
            self.assertEqual((magic, kind), (b"LAMN", 3))

    def test_a_giant_claim_is_refused_before_memory_is_taken(self):
        before = self.daemon.resident_bytes()
        for _ in range(20):
            answer = self.send(HEADER.pack(b"LAMN", 1, 1, 0, 1, 0xfffffff8, 0, 0))
            self.assertIn(b"limit_exceeded", answer)
        self.assertLess(self.daemon.resident_bytes() - before, 64 << 20)

    def test_most_requests_may_have_no_payload(self):
        self.daemon.generate(PROMPT, "--max-new-tokens", 5)
        hello, status = self.record("--json", "status")[:2]
        answer = self.send(hello + with_payload(status, b"\0\0\x80\x3f"))
        self.assertIn(b"malformed_frame", answer)
        search = self.record("--json", "search", "--text", "the")[1]
        answer = self.send(hello + with_payload(search, b"\0\0\x80\x3f"))
        self.assertIn(b"invalid_argument", answer)
        giant = bytearray(search)
        struct.pack_into("<I", giant, 16, (8 << 20) + 4)
        self.assertIn(b"limit_exceeded", self.send(hello + bytes(giant)))

    def test_a_request_before_hello_is_unauthenticated(self):
        hello, request = self.record("--json", "status")[:2]
        self.assertIn(b"unauthenticated", self.send(request))
        self.assertTrue(self.send(hello + request, patience=2))


class People(DaemonTest):
    def test_every_mistake_has_its_code(self):
        turn = self.daemon.generate(PROMPT, "--max-new-tokens", 5, "--wait-durable")
        conversation = turn["conversation"]
        size = len(turn["tokens"])
        self.assertFails("not_found", "lens", "0000000000000", 0)
        self.assertFails("out_of_range", "lens", conversation, size)
        self.assertFails("out_of_range", "lens", conversation, 0, "--layers", 99)
        self.assertFails("not_found", "generate", "--model", "nobody", "hello")
        self.assertFails("context_full", "generate", "--model", "demo", "word " * 3000)
        self.assertFails("out_of_range", "conversations", "fork", conversation, size + 1)
        with self.assertRaises(CommandFailed) as usage:
            self.daemon.json("generate", "--model", "demo", "--top-p", "1.5", "x")
        self.assertEqual(usage.exception.exit, 2)

    def test_a_second_writer_is_told_busy(self):
        first = self.daemon.popen("generate", "--model", "demo", "--max-new-tokens", 900, "--seed", 1,
                                  "--temperature", 1, PROMPT)
        listed = []
        while not listed:
            listed = self.daemon.json("conversations", "list")["conversations"]
        self.assertFails("conversation_busy", "generate", "--model", "demo", "--conversation",
                         listed[0]["id"], "me too")
        first.terminate()
        first.communicate(timeout=60)


class Files(unittest.TestCase):
    """Model directories with something wrong: refused by name, others serve."""

    def model_with(self, directory, change):
        broken = pathlib.Path(directory) / "broken"
        shutil.copytree(ROOT / "models/demo", broken)
        change(broken)
        return broken

    def check(self, change, code, word):
        with Daemon(BIN) as daemon:
            broken = self.model_with(daemon.state, change)
            daemon.stop()
            daemon.models = (f"broken={broken}", f"demo={ROOT / 'models/demo'}")
            daemon.start()
            health = {m["name"]: m["health"] for m in daemon.json("models")["models"]}
            self.assertIn(code, health["broken"])
            self.assertIn(word, health["broken"])
            self.assertEqual(health["demo"], "up")
            with self.assertRaises(CommandFailed) as raised:
                daemon.generate("x", model="broken")
            self.assertEqual(raised.exception.code, "unavailable")
            self.assertTrue(daemon.generate("x", "--max-new-tokens", 2)["tokens"])

    def test_truncated_weights(self):
        def change(d):
            path = d / "model.safetensors"
            path.write_bytes(path.read_bytes()[:-1000])
        self.check(change, "corrupt", "model.safetensors")

    def test_lying_weights(self):
        def change(d):
            path = d / "model.safetensors"
            data = path.read_bytes()
            path.write_bytes(struct.pack("<Q", 1 << 60) + data[8:])
        self.check(change, "corrupt", "model.safetensors")

    def test_absurd_config(self):
        def change(d):
            config = json.loads((d / "config.json").read_text())
            config["num_hidden_layers"] = 10**12
            (d / "config.json").write_text(json.dumps(config))
        self.check(change, "invalid_argument", "num_hidden_layers")

    def test_an_architecture_we_do_not_run(self):
        def change(d):
            config = json.loads((d / "config.json").read_text())
            config["model_type"] = "rwkv"
            (d / "config.json").write_text(json.dumps(config))
        self.check(change, "unsupported", "rwkv")

    def test_broken_tokenizer(self):
        def change(d):
            (d / "tokenizer.json").write_text('{"model": {')
        self.check(change, "corrupt", "tokenizer.json")

    def test_a_configuration_error_names_file_line_and_key(self):
        daemon = Daemon(BIN)
        config = daemon.state / "lamina.yaml"
        config.write_text("cache:\n  memory:\n    max_sise_mb: 5\n")
        daemon.arguments = ("--config", config)
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(timeout=10), 1)


if __name__ == "__main__":
    unittest.main()
