"""`package.json`, the declarations and `examples/stream.ts`: what a TypeScript program gets from the package."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from browser.node_tools import MODULES, ROOT, node, npm_install, run

import sseor
from sseor.testing import Call, Cut, Done, Finish, Heartbeats, LoopbackServer, Say, answer, in_turn, play

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

# What a program would ask of openrouter.ai, it asks of the loopback server.
TO_THE_LOOPBACK = """
const { fetch } = globalThis;
const here = (url) => String(url).replace("https://openrouter.ai/api/v1", process.env.SSEOR_BASE_URL);
globalThis.fetch = (url, options) => fetch(here(url), options);
"""
CALL = Call("tide_at", '{"port":"Brest"}', id="call_1")


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


@pytest.mark.parametrize("page", ["README.md", "src/sseor/browser/README.md"])
def test_the_programs_of_the_readmes_compile_and_run(project: Path, page: str) -> None:
    """Each TypeScript block is a whole program: strict, and it prints the answer, after a tool call too."""
    blocks = re.findall(r"^```ts\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    (project / "to_the_loopback.mjs").write_text(TO_THE_LOOPBACK)
    names = [f"block{number}" for number in range(len(blocks))]
    for name, block in zip(names, blocks, strict=True):
        (project / f"{name}.ts").write_text(block)
    assert tsc(project, *STRICT, "--types", "node", *[f"{name}.ts" for name in names]) == ""
    for name, block in zip(names, blocks, strict=True):
        answers = [play(Heartbeats(0.1), *answer("Low", " water"))]
        if "tools" in block:
            answers.insert(0, play(CALL, Finish("tool_calls"), Done()))
        with LoopbackServer(in_turn(*answers)) as server:
            program = ("--import", "./to_the_loopback.mjs", f"{name}.js")
            printed = node(
                *program, cwd=project, SSEOR_BASE_URL=server.base_url, OPENROUTER_API_KEY="sk-or-v1-test"
            )
        assert "Low water" in printed
        sent = [request.json()["messages"] for request in server.requests]
        assert [message["role"] for message in sent[-1]] == (
            ["user", "assistant", "tool"] if "tools" in block else ["user"]
        )
        assert len(sent) == len(answers)


@pytest.mark.usefixtures("project")
def test_the_command_of_the_readme_installs_the_package(tmp_path: Path) -> None:
    """A Python user gets the npm package from where pip has put it, as a copy."""
    (command,) = re.findall(r"^    (npm install .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    (tmp_path / "package.json").write_text('{"name": "stranger", "private": true, "type": "module"}')
    run("sh", "-c", command.replace("python", shlex.quote(sys.executable)), cwd=tmp_path)
    installed = tmp_path / "node_modules" / "sseor"
    assert not installed.is_symlink()
    assert not (installed / "page.js").exists()
    program = 'console.log(typeof (await import("sseor")).streamChat)'
    assert node("--input-type=module", "--eval", program, cwd=tmp_path) == "function\n"


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


def test_messages_of_other_packages_fit(project: Path) -> None:
    """Interfaces, readonly arrays and our own type are messages; options may be undefined; every event is narrowed."""
    (project / "fits.ts").write_text(
        """
        import { streamChat, type ChatMessage } from "sseor";
        interface Theirs { role: "user" | "assistant"; content: string }
        const theirs: Theirs[] = [{ role: "user", content: "Hi" }];
        const fixed = [{ role: "user", content: [{ type: "text", text: "Hi" }] }] as const;
        const ours: ChatMessage[] = [{ role: "tool", tool_call_id: "a", content: "14:07" }];
        export const streams = [theirs, fixed, ours].map((messages) => streamChat({ model: "m", messages }));
        export const ask = (signal?: AbortSignal, stall?: number) =>
          streamChat({ model: "m", messages: ours, signal, apiKey: process.env["KEY"], timeouts: { stall } });
        export function shown(event: import("sseor").ChatEvent): string | number | object | null {
          switch (event.type) {
            case "text": case "reasoning": return event.text;
            case "toolCall": return event.arguments;
            case "heartbeat": return event.waited;
            case "usage": return event.usage.cost ?? null;
            case "finish": return event.reason;
            case "retry": return event.cause.retryAfter;
            case "raw": return event.chunk;
            case "error": return event.error.native;
          }
        }
        """
    )
    exact = (
        "--exactOptionalPropertyTypes",
        "--noUncheckedIndexedAccess",
        "--noPropertyAccessFromIndexSignature",
    )
    for more in (exact, ("--lib", "es2022")):  # also where nothing of a browser is known
        assert tsc(project, *STRICT, "--noEmit", "--types", "node", *more, "fits.ts") == ""


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
