"""A remote write receiver of our own, and a decoder that owes nothing to the encoder under test (google.protobuf)."""

import contextlib
import struct
from dataclasses import dataclass, field

import cramjam
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto


def _messages():
    file = descriptor_pb2.FileDescriptorProto(name="remote_write.proto", package="prometheus", syntax="proto3")
    fields = {
        "Label": [("name", 1, FIELD.TYPE_STRING, None), ("value", 2, FIELD.TYPE_STRING, None)],
        "Sample": [("value", 1, FIELD.TYPE_DOUBLE, None), ("timestamp", 2, FIELD.TYPE_INT64, None)],
        "TimeSeries": [("labels", 1, FIELD.TYPE_MESSAGE, "Label"), ("samples", 2, FIELD.TYPE_MESSAGE, "Sample")],
        "WriteRequest": [("timeseries", 1, FIELD.TYPE_MESSAGE, "TimeSeries")],
    }
    for name, rows in fields.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, target in rows:
            label = FIELD.LABEL_REPEATED if target else FIELD.LABEL_OPTIONAL
            kept = message.field.add(name=field_name, number=number, type=kind, label=label)
            if target:
                kept.type_name = f".prometheus.{target}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _messages()


def decode(body):
    """Uncompressed bytes -> the protobuf message; unknown fields are an error."""
    request = WriteRequest()
    request.ParseFromString(body)
    assert request.SerializeToString() or not body
    return request


def samples(body):
    """{sorted label pairs: (value, ms)} of a compressed body."""
    request = decode(bytes(cramjam.snappy.decompress_raw(body)))
    return {tuple((x.name, x.value) for x in s.labels): (s.samples[0].value, s.samples[0].timestamp) for s in request.timeseries}


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


@dataclass
class Receiver:
    """Answers what it is told; keeps every request, and the samples of those that it took.

    `script`: (status, body, headers) tuples answered first, in order. `refuse`: a function of the label pairs of one series; a
    request with such a series is refused whole with `refusal`.
    """

    url: str = ""
    script: list = field(default_factory=list)
    refuse: object = None
    refusal: tuple = (400, "out of order sample", {})
    requests: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    stored: dict = field(default_factory=dict)

    async def handle(self, request):
        body = await request.read()
        self.requests.append(request)
        self.bodies.append(body)
        status, text, headers = self.script.pop(0) if self.script else (204, "", {})
        found = samples(body)
        if 200 <= status < 300 and self.refuse and any(map(self.refuse, found)):
            status, text, headers = self.refusal
        if 200 <= status < 300:
            self.stored |= {(labels, ms): value for labels, (value, ms) in found.items()}
        return web.Response(status=status, text=text or None, headers=headers)


@contextlib.asynccontextmanager
async def running(handler, path="/api/v1/write"):
    """A handler behind a port on loopback."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def receiver(**options):
    """A running `Receiver`."""
    made = Receiver(**options)
    async with running(made.handle) as base:
        made.url = f"{base}/api/v1/write"
        yield made
