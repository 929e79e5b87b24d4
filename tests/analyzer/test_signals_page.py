"""The page about signals says what works."""

import re
from pathlib import Path

import yaml

from analyzer.signals import load_presets, parse_signals

PAGE = Path(__file__).parents[2] / "docs/signals.md"


def test_the_example_is_accepted():
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    signals = {s.alias: s for s in parse_signals(example["reader"]["signals"], base=load_presets(["node"]))}
    assert signals["cpu"].min_deviation == 0.15
    assert "temperature" not in signals
    assert signals["queue_depth"].title["ko"] == "대기 중인 작업"
