"""The folder alone: whoever copies `wire` into another project has a decoder, with nothing installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import sseor.wire

_PROGRAM = """
import sys
from copied import Comment, Decoder, Event, EventTooLargeError, Unfinished, encode

decoder = Decoder(max_event_bytes=1000)
assert decoder.feed(b"\\xef\\xbb\\xbfid: 1\\r\\ndata: x\\r\\n\\r\\n: ping\\n") == [Event("x", id="1"), Comment("ping")]
assert decoder.feed(encode(Event("y"))) == [Event("y", id="1")]
try:
    decoder.feed(b"x" * 1001)
except EventTooLargeError as error:
    assert error.limit == 1000
else:
    raise AssertionError("no limit")
foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"copied", "__main__"}
assert not foreign, foreign
"""


def test_a_copy_of_the_folder_works_alone(tmp_path: Path) -> None:
    """Copied elsewhere, with no site-packages and no `sseor`, the folder decodes and encodes."""
    shutil.copytree(Path(sseor.wire.__file__).parent, tmp_path / "copied")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{_PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_it_costs_next_to_nothing() -> None:
    """Neither `typing` nor `re`, which take longer than all of it, nor anything that is built on them."""
    source = Path(sseor.wire.__file__).parents[2]
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r}); before = set(sys.modules); import sseor.wire; "
        "print(*{name for name in set(sys.modules) - before if not name.startswith('sseor')})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"collections", "dataclasses", "enum", "re", "typing"}
