"""Whatever a file or a command line holds, a command ends with a code and words, never with a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import orcabatch
from batch_functions import largest_tension
from cli_batches import configuration
from fuzzing import STRANGE, changed, drawn, torn
from orcabatch import cli, simulated
from orcabatch.digitalmodel.proof_input import read_proof_input
from orcabatch.errors import OrcabatchError


def command(*words):
    """Its exit code and what it said; argparse ends what it cannot read."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
    assert "Traceback" not in out.getvalue()
    return code, out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a digitalmodel batch, run once; every command works there."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "sims").mkdir()
    for number in range(2):
        simulated.write_sim(
            folder / "sims" / f"a{number}.sim", simulated.SimSpec(size_bytes=40_000, stop_time_s=10.0, seed=number)
        )
    (folder / "b.yml").write_text(yaml.safe_dump(configuration(), sort_keys=False))
    before = Path.cwd(), dict(os.environ)
    os.environ["XDG_STATE_HOME"] = os.environ["LOCALAPPDATA"] = str(folder / "state")
    os.chdir(folder)
    assert command("run", "b.yml")[0] == 0
    yield folder
    os.chdir(before[0])
    os.environ.clear()
    os.environ.update(before[1])
    if simulated.is_simulated(sys.modules.get("OrcFxAPI")):
        simulated.uninstall()


@pytest.fixture(scope="module")
def metrics(place):
    """What the run measured."""
    return json.loads((place / "results" / "performance_metrics.json").read_text("utf-8"))


@drawn(30, 3000)
@given(content=changed(configuration(), STRANGE | st.dates() | st.sampled_from(["*", "a", "Line01", [], {}])))
@example(content=configuration(meta={"basename": []}))
@example(content=configuration(linked_statistics_settings="later"))
def test_a_yaml_of_any_content(place, content):
    """Sections that are none, keys that are no texts, numbers that nobody meant."""
    (place / "f.yml").write_text(yaml.dump(content), encoding="utf-8", errors="surrogatepass")
    assert command("plan", "f.yml")[0] in {0, 1, 2}


@drawn(30, 3000)
@given(content=torn(yaml.safe_dump(configuration(), sort_keys=False).encode()))
def test_a_yaml_of_any_text(place, content):
    """Cut off, doubled, with bytes that are no text."""
    (place / "f.yml").write_bytes(content)
    assert command("plan", "f.yml")[0] in {0, 1, 2}


BOMBS = {
    "values": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "sections": "a: &a {k: v}\n"
    + "".join(f"{c}: &{c} {{<<: [{', '.join([f'*{b}'] * 9)}]}}\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "a list in itself": "a: &a [*a]",
    "a section in itself": "a: &a {b: *a}",
    "brackets": "a: " + "[" * 5000,
    "closed brackets": f"a: {'[' * 200}{']' * 200}",
    "levels": "".join(f"{' ' * depth}a:\n" for depth in range(300)),
    "a date that is none": "a: 2020-13-45",
    "an endless number": f"a: {'1' * 5000}",
    "a letter that is none": 'a: "\\UFFFFFFFF"',
    "a tagged number": "a: !!float ''",
    "a tagged word": "a: !!bool maybe",
    "a control character": "a: \x00",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_yaml_that_unfolds_without_end_is_refused(place, kind):
    """In one sentence, before anything is made of it; a word of the command line too."""
    (place / "f.yml").write_text(yaml.safe_dump(configuration(), sort_keys=False) + f"\n{BOMBS[kind]}\n")
    code, said = command("plan", "f.yml")
    assert (code, len(said.splitlines()) <= 2, "f.yml is not valid YAML" in said) == (2, True, True), said
    if BOMBS[kind].count("\n") == 0:
        code, said = command("plan", "b.yml", f"parameters={{{BOMBS[kind]}}}")
        assert (code, "not a list or section" in said) == (2, True), said


@drawn(30, 3000)
@given(data=st.data())
def test_metrics_of_any_content(place, metrics, data):
    """A report of it is made, or it is said to be none; the proof's reader says so too."""
    content = data.draw(changed(metrics))
    folder = place / "metrics"
    folder.mkdir(exist_ok=True)
    (folder / "performance_metrics.json").write_text(json.dumps(content))
    code, said = command("report", folder, "-o", place / "r.html", "--earlier", "results/performance_metrics.json")
    assert code in {0, 2}, said
    with contextlib.suppress(OrcabatchError):
        read_proof_input(folder)


@drawn(20, 2000)
@given(data=st.data())
def test_metrics_of_any_text(place, metrics, data):
    """Cut off, or with other bytes."""
    kept = json.dumps({**metrics, "events": metrics["events"][:2], "samples": {}}).encode()
    (place / "m.json").write_bytes(data.draw(torn(kept) | st.just(b"[" * 100_000)))
    assert command("report", "m.json", "-o", place / "r.html")[0] in {0, 2}
    with contextlib.suppress(OrcabatchError):
        read_proof_input(place / "m.json")


@drawn(20, 2000)
@given(data=st.data())
def test_a_sim_of_any_bytes(place, data):
    """It fails, or has results; the others have theirs."""
    head = simulated.write_sim(place / "head.sim", simulated.SimSpec(size_bytes=40_000)).read_bytes()[:3000]
    whole = place / "sims" / "a1.sim"
    other = place / "torn.sim"
    other.write_bytes(data.draw(torn(head) | st.binary(max_size=64)) + bytes(20_000))
    result = orcabatch.run_batch(
        [whole, other], postprocess=largest_tension, orcaflex="simulated", progress=False,
        performance={"executor": "serial", "retries": 0, "ledger": {"enabled": False}},
    )  # fmt: skip
    assert result.outcomes[0].ok
    assert result.outcomes[1].ok or result.outcomes[1].error


WORDS = st.sampled_from(
    [
        "run",
        "plan",
        "report",
        "verify",
        "b.yml",
        "c.yml",
        "--output",
        "--quiet",
        "--live",
        "--fresh",
        "--report",
        "--write",
        "--orcaflex",
        "simulated",
        "real",
        "--workers",
        "3",
        "-1",
        "--",
        "=",
        "meta.label=x",
        "--meta",
        "{",
        "[",
        "performance.executor=serial",
        "performance.timeout=nan",
        "0",
        "-o",
        "performance.threading.max_threads=0",
        "results",
        "sims",
        "sims/a0.sim",
        "--prove",
        "--json",
        "--rtol",
        "1e400",
        "--files",
        "--earlier",
        "{'meta':{'label':1}}",
        "meta.label=[1,2",
        "a.b.c=1",
        "summary_settings.groups=1",
        "file_management.input_directory=",
    ]
)


@drawn(30, 3000)
@given(
    name=st.sampled_from(["plan", "plan", "report", "verify"]),
    words=st.lists(WORDS | st.text(max_size=12).filter(lambda text: "\x00" not in text), max_size=5),
)
def test_a_command_line_of_any_words(place, name, words):
    """Options without values, values without keys, files that are none."""
    assert command(name, *words)[0] in {0, 1, 2}
