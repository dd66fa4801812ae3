"""deploy/: figures that exist, flags that exist, queries that are whole."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from finerank.reranker import Reranker
from finerank.retrieval.types import SearchFacts
from finerank.server.service import Origin, RerankCall
from finerank.settings import Settings
from tests.server.calling import BODY, app_of, calling

FOLDER = Path(__file__).parents[2] / "deploy"
FUNCTIONS = {"sum", "min", "max", "rate", "increase", "histogram_quantile", "vector"}
WORDS = {"by", "on", "group_left", "or"}
LABELS = {"le", "job", "instance", "model", "dialect", "status", "reason", "key", "device", "stage"}


def queries() -> Iterator[str]:
    """Every PromQL expression of the dashboard and of the rules."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            assert match, variable["query"]["query"]
            yield match[1]
    for group in rules()["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def rules() -> Any:
    return yaml.safe_load((FOLDER / "prometheus-rules.yml").read_text())


def names_in(query: str) -> set[str]:
    """Words of a query outside its strings."""
    return set(re.findall(r"[a-z_]\w*", re.sub(r"\[[^\]]*\]", "", re.sub(r'"[^"]*"', '""', query))))


async def test_every_figure_that_is_asked_for_exists(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_allocated=lambda device: 1,
        memory_reserved=lambda device: 1,
        utilization=lambda device: 1,
    )
    async with calling(reranker, api_keys=("alice=k",)) as client:
        for body in (BODY, {"query": "q", "documents": ["explode", "nan", " ", "word " * 1001]}):
            await client.post("/v1/rerank", json=body, headers={"X-API-Key": "k"})
        await client.post("/v1/rerank", json=BODY)
        await app_of(client).state.service.rank(RerankCall(**BODY), Origin(dialect="page"))
        app_of(client).state.metrics.searched(SearchFacts(seconds={"dense": 0.01}))
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
        served = (await client.get("/metrics")).text
    existing = {re.split(r"[{ ]", line)[0] for line in served.splitlines() if not line.startswith("#")}
    asked = {name for query in queries() for name in names_in(query)} - FUNCTIONS - WORDS - LABELS
    assert asked - existing == {"up"}
    # The other way round: nothing is measured for nobody. `created` is prometheus_client's own.
    ours = {
        name for name in existing if name.startswith("finerank_") and not name.endswith(("_created", "_count", "_sum"))
    }
    assert ours - asked == set()


def test_labels_of_the_queries_exist_and_brackets_close() -> None:
    pairs = {")": "(", "]": "[", "}": "{"}
    for query in queries():
        unquoted = re.sub(r'"[^"]*"', '""', query)
        assert '"' not in unquoted.replace('""', ""), query
        opened = []
        for letter in unquoted:
            if letter in "([{":
                opened.append(letter)
            elif letter in pairs:
                assert opened, query
                assert opened.pop() == pairs[letter], query
        assert not opened, query
        for function in re.findall(r"([a-z_]\w*)\s*\(", unquoted):
            assert function in FUNCTIONS | WORDS, query
        for label in re.findall(r"[{,]\s*(\w+)\s*[=!]", unquoted):
            assert label in LABELS, query
        counters = re.findall(r"\b(\w+_total)\{[^}]*\}(.)", unquoted) + re.findall(r"\b(\w+_total)([^\w{])", unquoted)
        assert all(after == "[" for _, after in counters), f"a counter without rate: {query}"


def test_the_dashboard_is_ready_to_import() -> None:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "job", "instance", "model"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]


def test_every_alert_says_what_and_how_bad() -> None:
    for group in rules()["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_itself_accepts_them() -> None:
    subprocess.run(["promtool", "check", "config", str(FOLDER / "prometheus.yml")], check=True, capture_output=True)


def unit() -> str:
    """With continued lines joined."""
    return (FOLDER / "finerank.service").read_text().replace("\\\n", " ")


def test_the_unit_names_flags_that_exist_and_stops_late_enough() -> None:
    command = next(line for line in unit().splitlines() if line.startswith("ExecStart="))
    flags = re.findall(r"--([\w-]+)", command)
    assert {flag.replace("-", "_") for flag in flags} <= set(Settings.model_fields)
    stop = float(next(line for line in unit().splitlines() if line.startswith("TimeoutStopSec=")).partition("=")[2])
    drain = float(command.partition("--drain-seconds ")[2])
    assert stop > drain + 5


def test_the_guide_names_flags_that_exist() -> None:
    """And the variables."""
    text = (FOLDER / "README.md").read_text() + unit()
    flags = set(re.findall(r"(?<![\w-])--((?:log|api|trace|drain|cors|threads|host|port|model)[\w-]*)", text))
    assert {flag.replace("-", "_") for flag in flags} <= set(Settings.model_fields)
    variables = set(re.findall(r"FINERANK_(\w+)", text))
    assert {variable.lower() for variable in variables} <= set(Settings.model_fields)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With a program that is there."""
    here = tmp_path / "finerank.service"
    here.write_text((FOLDER / "finerank.service").read_text().replace("/opt/finerank/bin/finerank", "/bin/true"))
    result = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
