"""`sseor.relay.redis.place`: keys that a cluster keeps together, and a log on a cluster of several nodes."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from relay.log_contract import KEPT, LogContract, followed, nothing
from relay.redis_logs import redis_program
from relay.test_redis_writer import free_port

from sseor.errors import ConfigError
from sseor.relay.redis import RedisLog
from sseor.relay.redis.place import Place

__all__ = ["redis_program"]

SLOTS = 16384


@pytest.fixture
def anyio_backend() -> str:
    """Redis is for asyncio."""
    return "asyncio"


def place(**settings: Any) -> Place:
    """Return a place with these settings."""
    usual = {"prefix": "p", "shards": 1, "lease": 10.0, "live": 900.0, "keep": 600.0}
    return Place(**{**usual, "max_records": 1024, "max_bytes": 1 << 18, **settings})


def test_all_keys_of_a_shard_share_a_slot() -> None:
    """Whatever the streams are called; several shards are in several slots, each stream always in the same one."""
    one, many = place(), place(shards=16)
    names = [f"stream{number}" for number in range(200)]
    assert len({key_slot(key.encode()) for name in names for key in one.keys(name)}) == 1
    assert len({key_slot(key.encode()) for name in names for key in many.keys(name)}) == 16
    for name in names:
        shard = many.shard(name)
        keys = [*many.keys(name), many.wake_key(shard, "w"), many.era_key(shard)]
        assert len({key_slot(key.encode()) for key in keys}) == 1
        assert many.keys(name) == place(shards=16).keys(name)
    assert one.worker != many.worker


def test_patience_goes_with_the_lease() -> None:
    """A third of it, so that a writer may ask several times; not so little that a busy machine seems dead."""
    assert place(lease=30.0).patience == 10.0
    assert place(lease=0.5).patience == 1.0


@pytest.mark.parametrize(
    "wrong", [{"lease": 0}, {"keep": 0}, {"live": 1.0}, {"shards": 0}, {"prefix": "a{b"}, {"prefix": "a}b"}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    """What cannot work is refused at once."""
    with pytest.raises(ConfigError):
        place(**wrong)


@pytest.fixture(scope="module")
def cluster(redis_program: str) -> Iterator[str]:
    """Return the URL of a cluster of two nodes, each with half of the slots."""
    with tempfile.TemporaryDirectory(prefix="sseor-cluster-") as folder:
        nodes = []
        for attempt in range(5):
            ports = [free_port() for _ in range(2)]
            if all(port < 55_535 for port in ports):  # the bus is 10 000 above
                break
            assert attempt < 4 or ports
        for number, port in enumerate(ports):
            home = Path(folder) / str(number)
            home.mkdir()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]
            options += ["--cluster-port", str(free_port()), "--dir", str(home), "--loglevel", "warning"]
            nodes.append(subprocess.Popen([redis_program, *options], stdout=subprocess.DEVNULL))
        try:
            form(ports)
            yield f"redis://127.0.0.1:{ports[0]}"
        finally:
            for node in nodes:
                node.kill()
                node.wait()


def ask(port: int, *command: str) -> str:
    """Ask a node with its own client."""
    asked = subprocess.run(
        ["redis-cli", "-p", str(port), *command], capture_output=True, text=True, timeout=30
    )
    return asked.stdout.strip()


def form(ports: list[int]) -> None:
    """Make a cluster of nodes."""
    until_it_says("PONG", ports, "PING")
    half = SLOTS // len(ports)
    for number, port in enumerate(ports):
        ask(port, "CLUSTER", "ADDSLOTSRANGE", str(number * half), str(number * half + half - 1))
        ask(port, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
    bus = re.search(r"@(\d+)", ask(ports[1], "CLUSTER", "NODES"))
    assert bus is not None
    ask(ports[0], "CLUSTER", "MEET", "127.0.0.1", str(ports[1]), bus[1])
    until_it_says("cluster_state:ok", ports, "CLUSTER", "INFO")
    until_it_says("cluster_known_nodes:2", ports, "CLUSTER", "INFO")


def until_it_says(word: str, ports: list[int], *command: str) -> None:
    """Wait until all nodes answer so."""
    until = time.monotonic() + 60
    while not all(word in ask(port, *command) for port in ports):
        assert time.monotonic() < until, word
        time.sleep(0.05)


class TestRedisLogOnACluster(LogContract):
    """The contract, on a cluster, with streams on both nodes."""

    @pytest.fixture
    async def log(self, cluster: str) -> AsyncIterator[RedisLog]:
        """Return a fresh log."""
        client = RedisCluster.from_url(cluster, socket_timeout=None)
        log = RedisLog(client, prefix=str(time.monotonic_ns()), shards=4, max_records=KEPT)
        yield log
        await log.aclose()
        await client.aclose()


@pytest.mark.anyio
async def test_streams_of_a_cluster_are_on_several_nodes(cluster: str) -> None:
    """With several shards both nodes keep some of them."""
    client = RedisCluster.from_url(cluster, socket_timeout=None)
    log = RedisLog(client, prefix="spread", shards=16)
    for number in range(40):
        await log.open(f"s{number}", "ann", nothing)
        await followed(log, f"s{number}")
    sizes = [await client.execute_command("DBSIZE", target_nodes=node) for node in client.get_primaries()]
    assert len(sizes) == 2
    assert all(sizes)
    await log.aclose()
    await client.aclose()
