"""`package.json`, the declarations and `examples/stream.ts`: what a TypeScript program gets from the package."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from browser.node_tools import MODULES, ROOT, node, npm_install, run

import sseor
from sseor.testing import Cut, Heartbeats, LoopbackServer, Say, answer, play

STRICT = (
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--noUnusedLocals",
    "--noUnusedParameters",
)
CHECKED = ("--noEmit", "--allowJs", "--checkJs", "--lib", "es2022,dom,dom.iterable", "--types", "")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of a stranger: TypeScript, and our package from the tarball that `npm pack` makes."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"name": "stranger", "private": true, "type": "module"}')
    packed = json.loads(run("npm", "pack", "--json", "--pack-destination", folder, cwd=MODULES))
    npm_install(folder, "typescript@7", "@types/node@20", str(folder / packed[0]["filename"]))
    return folder


def tsc(project: Path, *arguments: str | Path) -> str:
    """Compile, and return what the compiler found wrong."""
    compiler = project / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        ["node", str(compiler), *map(str, arguments)],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_the_tarball_holds_the_modules_and_their_types(project: Path) -> None:
    """Every module and declaration is in the package, the page of the relay is not, and the version is ours."""
    (tarball,) = project.glob("sseor-*.tgz")
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    modules = {path.name for path in MODULES.glob("*.js")} - {"page.js"}
    assert names == {"package.json", "README.md", "chat.d.ts", "sseor.d.ts", *modules}
    manifest = json.loads((MODULES / "package.json").read_text())
    assert manifest["version"] == sseor.__version__
    assert not {"dependencies", "devDependencies", "scripts"} & manifest.keys()


def test_the_installed_package_can_be_imported(project: Path) -> None:
    """Both entries give what their declarations promise, by the package's name."""
    program = 'const { streamChat, Decoder, startStream } = await import("sseor");'
    program += 'const { attach } = await import("sseor/relay");'
    program += "console.log([streamChat, Decoder, startStream, attach].map((value) => typeof value).join())"
    assert (
        node("--input-type=module", "--eval", program, cwd=project) == "function,function,function,function\n"
    )


def test_the_example_compiles_strictly_and_runs(project: Path) -> None:
    """`tsc --strict` accepts it; the program prints the answer, and a cut ends it with the text kept and code 1."""
    source = ROOT / "examples" / "stream.ts"
    shutil.copy(source, project / "stream.ts")
    assert tsc(project, *STRICT, "--types", "node", "stream.ts") == ""
    assert len(source.read_text().splitlines()) < 25
    with LoopbackServer(play(Heartbeats(0.1), *answer("Low", " water"))) as server:
        printed = node("stream.js", cwd=project, SSEOR_BASE_URL=server.base_url)
    assert re.fullmatch(r"Low water\nstop: \d+ tokens, \$[\d.e-]+\n", printed)
    with (
        LoopbackServer(play(Say("Low"), Cut())) as server,
        pytest.raises(AssertionError, match="3 characters had come"),
    ):
        node("stream.js", cwd=project, SSEOR_BASE_URL=server.base_url)


def test_the_example_may_do_nothing_but_talk(project: Path) -> None:
    """Under Node's permission model, with the right to read its own files alone, the example streams all the same."""
    assert tsc(project, *STRICT, "--types", "node", "stream.ts") == ""
    with LoopbackServer(play(*answer("Low", " water"))) as server:
        rights = ("--experimental-permission", f"--allow-fs-read={project}/*", "--no-warnings")
        assert "Low water" in node(*rights, "stream.js", cwd=project, SSEOR_BASE_URL=server.base_url)


def test_the_modules_are_type_safe(project: Path) -> None:
    """`tsc --checkJs --strict` finds nothing in the modules, nor in the script of the page."""
    assert tsc(project, *STRICT, *CHECKED, *sorted(MODULES.glob("*.js"))) == ""


def test_the_declarations_are_those_of_the_modules(project: Path, tmp_path: Path) -> None:
    """What the modules export, as the compiler infers it from their code, fits the hand-written declarations."""
    folder = project / "inferred"
    folder.mkdir()
    for module in MODULES.glob("*.js"):
        # The types that the code refers to stay those of the declarations.
        code = re.sub(r'import\("\./(chat|sseor)\.js"\)', rf'import("{MODULES}/\1.js")', module.read_text())
        (folder / module.name).write_text(code)
    lines = []
    for name in ("chat", "sseor"):
        lines.append(f'import * as {name} from "./inferred/{name}.js";')
        lines.append(f'import type * as {name}Declared from "{MODULES}/{name}.js";')
        lines.append(f"export const {name}Checked: typeof {name}Declared = {name};")
        lines.append(f"export const {name}Complete: keyof typeof {name}Declared = '' as keyof typeof {name};")
    (project / "agree.ts").write_text("\n".join(lines))
    assert tsc(project, "--strict", "--noEmit", "--allowJs", *STRICT[1:5], "agree.ts") == ""


def test_wrong_programs_do_not_compile(project: Path) -> None:
    """The declarations refuse a missing model, an unknown deadline, and an event's field under another type."""
    head = 'import { streamChat } from "sseor";\nconst messages = [{ role: "user" }];\n'
    for number, line in enumerate(
        (
            "streamChat({ messages });",
            'streamChat({ model: "m", messages, timeouts: { idle: 1 } });',
            'for await (const event of streamChat({ model: "m", messages })) if (event.type === "usage") event.text;',
        )
    ):
        (project / f"wrong{number}.ts").write_text(head + line + "\n")
        assert "error TS" in tsc(project, "--noEmit", *STRICT, f"wrong{number}.ts"), line
