"""What an import costs: wall time in a fresh process, the packages in turn, compiled files at hand."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator

from benchmarks.measuring import ROOT, Figures, Interpreters, Row, Table

CLIENT = "Client(api_key='none')"
STATEMENTS = {
    "import sseor.wire": ("sseor", "import sseor.wire"),
    "import sseor": ("sseor", "import sseor"),
    "import sseor, and a client": ("sseor", f"import sseor; sseor.{CLIENT}"),
    "import sseor, and an AsyncClient": ("sseor", f"import sseor; sseor.Async{CLIENT}"),
    "import httpx": ("httpx", "import httpx"),
    "import httpx, and a client": ("httpx", "import httpx; httpx.Client()"),
    "import httpx2, and a client": ("httpx2", "import httpx2; httpx2.Client()"),
    "import aiohttp": ("aiohttp", "import aiohttp"),
    "import openai, and a client": ("openai", "import openai; openai.OpenAI(api_key='none')"),
    "import openrouter, and a client": (
        "openrouter",
        "import openrouter; openrouter.OpenRouter(api_key='none').chat",
    ),
    "import anthropic": ("anthropic", "import anthropic"),
    "import litellm": ("litellm", "import litellm"),
}
TIMED = """import os, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
began = time.perf_counter()
{statement}
print((time.perf_counter() - began) * 1000)
"""


def row(name: str, compiled: str) -> Row:
    """Return the row of one statement; compiled files are kept in a folder of the benchmark's own."""
    module, statement = STATEMENTS[name]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def take() -> Figures:
        command = [Interpreters.having(module), "-c", TIMED.format(statement=statement)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return {"wall": float(done.stdout.strip().rpartition("\n")[2])}

    def check() -> None:
        take()  # compiles

    return Row(name, take, check)


def tables(scale: float) -> Iterator[Table]:
    """Return the table of imports."""
    with tempfile.TemporaryDirectory() as compiled:
        yield Table(
            "imports",
            "Imports",
            "Wall time of the statement in a fresh process, all files compiled before; bare Python is not counted.",
            {"wall": "ms"},
            [row(name, compiled) for name in STATEMENTS],
            "import httpx, and a client",
            max(2, round(5 * scale)),
        )
